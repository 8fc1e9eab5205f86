"""What tests of the endpoint share: a real Triton behind a real Envoy, once a session."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serve.endpoint.edges import RunningEdge, blue_and_green, run_edge, upstream_of
from tests.serve.endpoint.health import Health
from tritext_serve.server import Server


@pytest.fixture(scope="session")
def health() -> Iterator[Health]:
    """What stands for the supervisor's health port."""
    with Health() as running:
        yield running


@pytest.fixture(scope="session")
def edge_endpoint(
    server: Server, model_repository: Path, health: Health, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningEdge]:
    """The demo's models behind the edge: deployment blue has all traffic, green (the same Triton) none.

    Use ``url``, ``grpc``, ``key``, ``headers`` and ``admin`` of it; whoever changes it must change it back.
    """
    upstreams = tuple(upstream_of(server, name, health) for name in ("blue", "green"))
    with run_edge(tmp_path_factory.mktemp("edge"), health, blue_and_green(model_repository), upstreams) as running:
        yield running
