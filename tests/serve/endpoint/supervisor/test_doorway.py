"""The edge in the supervisor's hands: real Envoys without any Triton behind them."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests.serve.endpoint.edges import KEYS, blue_and_green
from tritext_serve.endpoint.edge import Edge, Limits, Listener, render
from tritext_serve.endpoint.model import Upstream
from tritext_serve.endpoint.supervisor import doorway
from tritext_serve.endpoint.supervisor.doorway import Doorway
from tritext_serve.errors import EndpointError, StartError
from tritext_serve.ports import steady_ports

WAIT_SECONDS = 60


@pytest.fixture
def edge() -> Edge:
    """Blue and green, neither of which is there."""
    port, admin, http, grpc, health = steady_ports(5)
    upstreams = tuple(Upstream(name, "127.0.0.1", http, grpc, health) for name in ("blue", "green"))
    listeners = (Listener("127.0.0.1", port),)
    return Edge(blue_and_green(Path("none")), upstreams, KEYS, listeners, admin, Limits(drain_seconds=1))


@pytest.fixture
def door(tmp_path: Path, edge: Edge) -> Iterator[Doorway]:
    """An edge that runs."""
    (tmp_path / "logs").mkdir()
    with ThreadPoolExecutor(1) as spawner:
        running = Doorway(tmp_path / "envoy", tmp_path / "logs", spawner)
        running.tell(replace(edge, log_path=str(tmp_path / "logs" / "access.log")))
        yield running
        running.stop()


def kill(door: Doorway) -> None:
    """Let the edge die."""
    pid = door.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + WAIT_SECONDS
    while door.pid is not None and time.monotonic() < deadline:
        time.sleep(0.01)


def test_one_that_died_is_started_again_and_one_that_runs_is_left(door: Doorway) -> None:
    before = door.pid
    assert door.revive() == ""
    assert door.pid == before
    kill(door)
    assert door.revive() == "the edge has died"
    assert door.pid not in (before, None)


def test_one_that_cannot_start_is_tried_again_only_after_its_back_off(door: Doorway, edge: Edge) -> None:
    kill(door)
    where = (edge.listeners[0].host, edge.listeners[0].port)
    with socket.create_server(where):
        with pytest.raises(StartError):
            door.revive()
        assert door.revive() == ""
        assert door.pid is None
    deadline = time.monotonic() + WAIT_SECONDS
    while not (said := door.revive()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert said == "the edge has died"


def test_a_change_that_is_refused_leaves_all_as_it_was(door: Doorway, edge: Edge, tmp_path: Path) -> None:
    """A listener that cannot be had is seen last, when clusters and routes are the new ones already."""
    folder = tmp_path / "envoy"
    before = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    alone = replace(edge.endpoint, deployments={"blue": edge.endpoint.deployments["blue"]}, traffic={"blue": 100})
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listeners = (*edge.listeners, Listener("127.0.0.1", taken.getsockname()[1]))
        changed = replace(edge, endpoint=alone, upstreams=edge.upstreams[:1], listeners=listeners)
        with pytest.raises(EndpointError, match=r"the edge (refuses|has not taken) lds\.json"):
            door.tell(replace(changed, log_path=str(tmp_path / "logs" / "access.log")))
    assert {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")} == before
    again = replace(edge, endpoint=replace(edge.endpoint, traffic={"green": 100}))
    door.tell(replace(again, log_path=str(tmp_path / "logs" / "access.log")))
    assert (folder / "rds.json").read_text(encoding="utf-8") == render(again)["rds.json"]


def test_every_log_is_bounded_while_it_is_written(
    door: Doorway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doorway, "MOST_LOG_BYTES", 10)
    log, access = tmp_path / "logs" / "blue-0.log", tmp_path / "logs" / "access.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"as much as ")
        access.write_bytes(b"as much as this")
        door.bound_logs()
        writer.write(b"this")
        door.bound_logs()
    assert (log.read_bytes(), log.with_suffix(".log.1").read_bytes()) == (b"this", b"as much as ")
    assert access.with_suffix(".log.1").read_bytes() == b"as much as this"
