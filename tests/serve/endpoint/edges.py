"""A running edge as tests see it, and how one is put in front of servers that already run."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.serve.endpoint.health import Health
from tritext_serve.endpoint.edge import Edge, Limits, Listener, render
from tritext_serve.endpoint.edge.files import write
from tritext_serve.endpoint.edge.process import Envoy
from tritext_serve.endpoint.model import Deployment, Endpoint, Upstream
from tritext_serve.ports import steady_ports
from tritext_serve.server import Server

TAKEN_SECONDS = 60
TAKEN = {
    "cds.json": "cluster_manager.cds.update_success",
    "rds.json": "http.edge.rds.endpoint.update_success",
    "lds.json": "listener_manager.lds.update_success",
}
COUNTED = "(ds.update_|ds.endpoint.update_|warming_clusters)"
KEYS = {"primary": "primary-" + "k" * 35, "secondary": "secondary-" + "s" * 33}
VARIANTS = {"naive": "sentiment_naive", "trained": "sentiment"}


@dataclass
class RunningEdge:
    """An Envoy in front of real servers.

    Attributes:
        edge: What it was rendered from, as it is now.
        envoy: The process.
        health: What says whether the deployments are well.
        directory: Its files.
    """

    edge: Edge
    envoy: Envoy
    health: Health
    directory: Path

    @property
    def url(self) -> str:
        """Base URL of REST."""
        return f"http://{self.edge.listeners[0].host}:{self.edge.listeners[0].port}"

    @property
    def grpc(self) -> str:
        """Target of gRPC: HOST:PORT."""
        return self.url.removeprefix("http://")

    @property
    def admin(self) -> str:
        """Base URL of the read-only pages: /stats/prometheus and others."""
        return f"http://127.0.0.1:{self.edge.admin_port}"

    @property
    def key(self) -> str:
        """A valid key."""
        return next(iter(self.edge.keys.values()))

    @property
    def headers(self) -> dict[str, str]:
        """What a client with that key sends."""
        return {"authorization": f"Bearer {self.key}"}

    @property
    def access_log(self) -> Path:
        """The access log."""
        return self.directory / self.edge.log_path

    def change(self, **changes: Any) -> None:
        """Render anew with other attributes of Edge, and wait until Envoy has taken what changed."""
        self.edge = replace(self.edge, **changes)
        before = self.envoy.stats(COUNTED)
        written = write(self.directory, render(self.edge))
        deadline = time.monotonic() + TAKEN_SECONDS
        while time.monotonic() < deadline:
            now = self.envoy.stats(COUNTED)
            refused = [name for name in now if name.endswith("rejected") and now[name] > before[name]]
            assert not refused, f"{refused}: {self.envoy.log.read_text(encoding='utf-8')[-2000:]}"
            taken = all(now[TAKEN[name]] > before[TAKEN[name]] for name in written)
            if taken and now["cluster_manager.warming_clusters"] == 0:
                return
            time.sleep(0.01)
        raise AssertionError(f"Envoy has not taken {written}")

    def shift(self, **changes: Any) -> None:
        """Render anew with other attributes of Endpoint."""
        self.change(endpoint=replace(self.edge.endpoint, **changes))


def upstream_of(server: Server, deployment: str, health: Health, number: int = 0) -> Upstream:
    """Where a running server answers for a deployment."""
    address = server.options.address
    return Upstream(deployment, address.host, address.http, address.grpc, health.port, number=number)


@contextlib.contextmanager
def run_edge(
    directory: Path, health: Health, endpoint: Endpoint, upstreams: tuple[Upstream, ...], **more: Any
) -> Iterator[RunningEdge]:
    """Run Envoy on loopback in front of servers that already run; ``more`` are attributes of Edge."""
    port, admin = steady_ports(2)
    settings: dict[str, Any] = {"keys": KEYS, "limits": Limits(drain_seconds=1), "log_path": "access.log"} | more
    edge = Edge(endpoint, upstreams, listeners=(Listener("127.0.0.1", port),), admin_port=admin, **settings)
    write(directory, render(edge))
    with Envoy(directory) as envoy:
        yield RunningEdge(edge, envoy, health, directory)


def blue_and_green(repository: Path, **more: Any) -> Endpoint:
    """An endpoint with two deployments of the demo's repository, blue with all of the traffic."""
    both = {name: Deployment(name, "demo", repository, "sentiment", variants=VARIANTS) for name in ("blue", "green")}
    settings: dict[str, Any] = {"traffic": {"blue": 100, "green": 0}, "deployments": both} | more
    return Endpoint("demo", **settings)
