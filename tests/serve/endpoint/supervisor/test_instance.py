"""The watch over a Triton: it ends when it is told to and at no other time. Real Tritons: tests/e2e/test_chaos.py."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import pytest

from tritext_serve.endpoint.supervisor.instance import Instance, Shop
from tritext_serve.endpoint.supervisor.limits import Group
from tritext_serve.endpoint.supervisor.state import Phase, Reason
from tritext_serve.errors import StartError
from tritext_serve.server import Server, ServerOptions

WAIT_SECONDS = 60


class Slow:
    """A Triton that comes up only when it is let, and never answers until it is killed."""

    pid = 0

    def __init__(self, stops: Callable[[], None] = lambda: None) -> None:
        """Say what happens when it is to be stopped."""
        self.options = ServerOptions()
        self.may_come, self.is_coming, self.killed = threading.Event(), threading.Event(), threading.Event()
        self.struck = threading.Event()
        self.stopped = 0
        self._stops, self._is_there = stops, False

    def launch(self) -> None:
        """Come up when let."""
        self.is_coming.set()
        self.may_come.wait(WAIT_SECONDS)
        self._is_there = True

    def wait_until_answering(self, deadline: float) -> None:
        """Never answer."""
        assert self.killed.wait(WAIT_SECONDS), "nobody has killed it"
        raise StartError("tritonserver did not start")

    def interrupt(self) -> None:
        """Die, if it is there."""
        if self._is_there:
            self.killed.set()
        self.struck.set()

    def stop(self, patience: float) -> None:
        """Be gone, or fail at it."""
        self.stopped += 1
        self._stops()


class Quiet:
    """Counts nothing."""

    def answered(self, deployment: str, seconds: float) -> None:
        """A canary."""

    def failed(self, deployment: str, reason: Reason) -> None:
        """A failure."""

    def suspected(self, deployment: str) -> None:
        """A suspicion."""


@pytest.fixture
def shop() -> Iterator[Shop]:
    with ThreadPoolExecutor(1) as spawner:
        yield Shop(spawner, Quiet())


def watch(server: Slow, shop: Shop) -> Instance:
    """Begin to watch it."""
    instance = Instance("blue", 0, cast(Server, server), Group(), shop)
    instance.start()
    return instance


def test_one_that_is_stopped_before_it_is_launched_is_killed_when_it_is(shop: Shop) -> None:
    server = Slow()
    instance = watch(server, shop)
    assert server.is_coming.wait(WAIT_SECONDS)
    stopping = threading.Thread(target=instance.stop)
    stopping.start()
    assert server.struck.wait(WAIT_SECONDS)  # in vain
    server.may_come.set()
    stopping.join(WAIT_SECONDS)
    assert not stopping.is_alive()
    assert (instance.state.phase, server.stopped) == (Phase.STOPPED, 1)


def test_the_watch_outlives_a_triton_that_cannot_be_ended_in_order(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise PermissionError("its folder cannot be removed")

    server = Slow(fail)
    server.may_come.set()
    server.killed.set()  # as soon as it is there
    instance = watch(server, shop)
    deadline = time.monotonic() + WAIT_SECONDS
    while instance.state.restarts < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert instance.state.restarts >= 2
    instance.stop()
    assert instance.state.phase is Phase.STOPPED
    assert "could not be ended in order" in caplog.text


def test_a_triton_that_had_too_little_memory_says_so_and_how_to_give_it_more(
    shop: Shop, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "memory.events").write_text("oom 1\noom_kill 1\n", encoding="ascii")
    server = Slow()
    server.may_come.set()
    server.killed.set()
    instance = Instance("blue", 0, cast(Server, server), Group((tmp_path,), memory_bytes=10 << 20), shop)
    instance.start()
    deadline = time.monotonic() + WAIT_SECONDS
    while not instance.state.restarts and time.monotonic() < deadline:
        time.sleep(0.01)
    instance.stop()
    why = "its deployment may take 10 MiB, which was not enough: give it more with --memory: tritonserver did not start"
    assert f"blue/0 is ill (oom): {why}" in caplog.text
