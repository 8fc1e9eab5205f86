"""A model repository goes to Azurite and comes back: as certified, answering as before, and followed in service."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import pytest

from tests.authorising_proxy import AuthorisingProxy, Faults
from tests.azurite import Azurite
from tests.conftest import ROOT, server_options
from tests.e2e.endpoints import LABELS, Load, Up
from tests.store.conftest import CONTAINER, identity
from tests.store.repositories import Unseen
from tests.token_issuer import TokenIssuer
from tritext import Client
from tritext_export.verification import verify
from tritext_serve.server import Server
from tritext_store.objects import open_objects
from tritext_store.pull import pull
from tritext_store.push import push

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
PATIENCE = 120.0


class Sync:
    """A `tritext repository sync` in a process of its own."""

    def __init__(self, folder: Path, environment: dict[str, str], *words: str) -> None:
        """Start it."""
        self._said = folder / "sync.out"
        with self._said.open("w") as output:
            command = [sys.executable, "-m", "tests.store.command", "repository", "sync", *words]
            self._process = subprocess.Popen(
                command, env=os.environ | environment, stdout=output, stderr=subprocess.STDOUT, cwd=ROOT
            )

    def wait_for(self, words: str, times: int = 1) -> str:
        """Wait until it has said something so often."""
        deadline = time.monotonic() + PATIENCE
        while (said := self._said.read_text(encoding="utf-8")).count(words) < times:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{words!r} is not in {said!r}")
            time.sleep(0.05)
        return said

    def __enter__(self) -> Self:
        """Have it end with the block."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop it as a service manager does."""
        self._process.send_signal(signal.SIGTERM)
        self.status = self._process.wait(60)


def test_what_comes_back_is_as_certified_and_answers_as_before(
    tmp_path: Path, int8_repository: Path, uri: str, blob_service: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in blob_service.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", blob_service.shared_access(CONTAINER))
    push(int8_repository, open_objects(uri), Unseen())
    pull(open_objects(uri), tmp_path / "here", Unseen())
    assert [finding for _, _, findings in verify(tmp_path / "here") for finding in findings] == []
    assert answers(tmp_path / "here") == answers(int8_repository)


def answers(repository: Path) -> list[tuple[str, float, str]]:
    """What a server says that has this repository, to the last digit."""
    with Server(repository, server_options(instances={})) as server, Client(server.grpc_url, timeout=120) as client:
        return [(p.label, p.score, p.model_version) for p in client.classify(list(LABELS))]


def test_an_endpoint_takes_what_is_pushed_without_losing_a_request_and_outlives_an_outage(
    tmp_path: Path, int8_repository: Path, uri: str, pusher: None, proxy: AuthorisingProxy, issuer: TokenIssuer
) -> None:
    target, own = tmp_path / "here", Path(shutil.copytree(int8_repository, tmp_path / "own"))
    push(own, open_objects(uri), Unseen())
    pull(open_objects(uri), target, Unseen())
    up = Up(tmp_path, target, deployments=("blue",))
    try:
        up.announcement()
        before = up.instance("blue")["pid"]
        up.write(("blue",), traffic={"blue": 0})  # all of it was given by hand since: a new state takes none away
        environment = identity(proxy.service, issuer, "pusher") | {"XDG_RUNTIME_DIR": str(tmp_path)}
        files = [str(tmp_path / f"{name}.yml") for name in ("endpoint", "blue")]
        words = (uri, str(target), "--every", "0.5s", "--metrics", str(tmp_path / "sync.prom"), "--then-apply", *files)
        with Sync(tmp_path, environment, *words) as sync:
            sync.wait_for("already")
            with Load(up, clients=2, pause=0.01) as load:
                load.wait_for(20)
                proxy.faults = Faults(outage=True)
                sync.wait_for("cannot be reached")
                proxy.faults = Faults()
                (own / "sentiment" / "configs" / "new.pbtxt").write_text("# a new state", encoding="utf-8")
                push(own, open_objects(uri), Unseen())
                sync.wait_for("now ")
                wait_until(lambda: up.instance("blue")["pid"] != before)
                load.wait_for(20)
        assert sync.status == 0
        assert (set(load.statuses), load.wrong) == ({200}, [])
        assert str(target.resolve()) in str(up.ask("show")["deployments"])
        assert up.ask("show")["traffic"] == {"blue": 100}
        assert re.search(r"^ttx_sync_last_success_timestamp_seconds [1-9]", (tmp_path / "sync.prom").read_text(), re.M)
    finally:
        up.close()


def wait_until(true: Callable[[], bool]) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.1)
