"""An Envoy in front of two small servers, for what needs no model: routes, weights, limits, keys."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.serve.endpoint.edge.upstream import Tiny
from tests.serve.endpoint.edges import RunningEdge, run_edge
from tests.serve.endpoint.health import Health
from tritext_serve.endpoint.edge import Edge
from tritext_serve.endpoint.model import Deployment, Endpoint, RequestSettings, Upstream

SETTINGS = RequestSettings(request_timeout_ms=8000, max_concurrent_requests_per_instance=2)


@dataclass
class Pair:
    """An edge, and the two servers behind it.

    Attributes:
        edge: The running edge.
        blue: The deployment with all of the traffic.
        green: The one with none; its models have other names.
        client: Keeps its connections, and has a key.
    """

    edge: RunningEdge
    blue: Tiny
    green: Tiny
    client: httpx.Client

    def ask(self, path: str = "/predict", text: object = "x", **headers: str) -> httpx.Response:
        """Ask for an inference."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(path, json={"text": text}, headers=named)


def colours() -> Endpoint:
    """The endpoint before a test changes it."""
    blue = Deployment("blue", "pair", Path("m"), "sentiment", request_settings=SETTINGS, variants={"naive": "plain"})
    green = Deployment("green", "pair", Path("m"), "other", request_settings=RequestSettings(request_timeout_ms=300))
    return Endpoint("pair", traffic={"blue": 100}, deployments={"blue": blue, "green": green})


@pytest.fixture(scope="session")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Pair, Edge]]:
    """The pair, and the edge as it was at first."""
    blue, green = Tiny("blue"), Tiny("green")
    with ExitStack() as stack:
        health = stack.enter_context(Health())  # its own: the tests here call deployments ill
        upstreams = tuple(Upstream(tiny.name, "127.0.0.1", tiny.port, tiny.port, health.port) for tiny in (blue, green))
        running = stack.enter_context(run_edge(tmp_path_factory.mktemp("pair"), health, colours(), upstreams))
        client = httpx.Client(base_url=running.url, headers=running.headers, timeout=20, trust_env=False)
        yield Pair(running, blue, green, stack.enter_context(client)), running.edge
    blue.close()
    green.close()


@pytest.fixture
def pair(both: tuple[Pair, Edge]) -> Iterator[Pair]:
    """The pair as it was at first, whatever the test before has done to it."""
    running, first = both
    running.blue.clear()
    running.green.clear()
    yield running
    running.blue.clear()
    running.green.clear()
    running.edge.health.ill.clear()
    if running.edge.edge != first:
        running.edge.change(**{name: getattr(first, name) for name in ("endpoint", "upstreams", "keys", "limits")})
