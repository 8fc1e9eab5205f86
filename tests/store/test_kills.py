"""`kill -9` of push and pull, wherever it strikes: the old repository or the new one, and the next command goes on."""

import multiprocessing
import random
import signal
import threading
from collections.abc import Mapping
from itertools import count
from pathlib import Path

import pytest

from tests.authorising_proxy import AuthorisingProxy, Faults, Request
from tests.store.command import run
from tests.store.conftest import identity
from tests.store.repositories import Unseen, contents, write_repository
from tests.token_issuer import TokenIssuer
from tritext_store.objects import open_objects
from tritext_store.pull import pull
from tritext_store.push import push

pytestmark = pytest.mark.e2e
KILLS = 3
MOST_SECONDS = 60.0
# Azure's packages take a second to import: each process is forked from one that has them and has done nothing else.
FORKSERVER = multiprocessing.get_context("forkserver")
FORKSERVER.set_forkserver_preload(["tritext_store.azure"])


def test_a_push_killed_at_any_point_leaves_the_old_repository_or_the_new_one(
    tmp_path: Path, uri: str, pusher: None, proxy: AuthorisingProxy, issuer: TokenIssuer
) -> None:
    repository, wanted = tmp_path / "repository", []
    push(write_repository(repository, 0, versions=2), open_objects(uri), Unseen())
    wanted.append(contents(repository))
    wanted.append(contents(write_repository(repository, 1, versions=2)))
    environment = identity(proxy.service, issuer, "pusher")
    for strike in strikes("write", 9):
        kill_at(proxy, strike, ["push", str(repository), uri], environment)
        pull(open_objects(uri), tmp_path / f"after-{strike[1]}", Unseen())
        assert contents(tmp_path / f"after-{strike[1]}") in wanted, strike
    push(repository, open_objects(uri), Unseen())
    pull(open_objects(uri), tmp_path / "last", Unseen())
    assert contents(tmp_path / "last") == wanted[-1]


def test_a_pull_killed_at_any_point_leaves_the_old_repository_and_goes_on(
    tmp_path: Path, uri: str, pusher: None, proxy: AuthorisingProxy, issuer: TokenIssuer
) -> None:
    repository, target = tmp_path / "repository", tmp_path / "here"
    push(write_repository(repository, 0, versions=2), open_objects(uri), Unseen())
    pull(open_objects(uri), target, Unseen())
    old = contents(target)
    push(write_repository(repository, 1, versions=2), open_objects(uri), Unseen())
    environment = identity(proxy.service, issuer, "pusher")
    for strike in strikes("read", 7):
        kill_at(proxy, strike, ["pull", uri, str(target)], environment)
        assert contents(target) in (old, contents(repository)), strike
    pull(open_objects(uri), target, Unseen())
    assert contents(target) == contents(repository)
    assert len([path for path in (tmp_path / ".here.pulled").iterdir() if path.is_dir()]) == 2


def strikes(action: str, requests: int) -> list[tuple[str, int]]:
    """Draw before which requests the process is killed: other ones every time; the message of a failure names them."""
    draw = random.SystemRandom()
    return [(action, number) for number in sorted(draw.sample(range(1, requests), KILLS))]


def kill_at(proxy: AuthorisingProxy, strike: tuple[str, int], words: list[str], environment: Mapping[str, str]) -> None:
    """Start a command and kill it when so many requests of an action have come; the last one gets no answer."""
    action, number = strike
    seen, lock, asked = count(1), threading.Lock(), threading.Event()

    def strikes_now(request: Request) -> bool:
        with lock:
            if request.action == action and next(seen) >= number:
                asked.set()
        return asked.is_set()

    proxy.faults = Faults(delay=0.5, outage=True, only=strikes_now)
    process = FORKSERVER.Process(target=run, args=(["repository", *words], dict(environment)))
    process.start()
    try:
        came = asked.wait(MOST_SECONDS)
    finally:
        process.kill()
        process.join()
        proxy.faults = Faults()
    assert came, (strike, process.exitcode)
    assert process.exitcode == -signal.SIGKILL
