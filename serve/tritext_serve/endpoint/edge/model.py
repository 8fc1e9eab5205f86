"""What the edge is told. Pure, no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tritext_serve.endpoint.model import Endpoint, Upstream

MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class Tls:
    """A certificate for a listener.

    Attributes:
        certificate: PEM file of the chain, as Envoy sees it.
        key: PEM file of the private key.
    """

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Listener:
    """Where clients connect.

    Attributes:
        host: An address of the machine or container that Envoy runs in.
        port: A TCP port.
        tls: The certificate; None for plain text, which is for loopback and private networks.
        namespace: File of the network in which it is; "" for that in which Envoy runs.
    """

    host: str
    port: int
    tls: Tls | None = None
    namespace: str = ""

    @property
    def url(self) -> str:
        """Its base URL, where an IPv6 address stands in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'http' if self.tls is None else 'https'}://{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client may take of the edge.

    Attributes:
        body_bytes: Largest body; more gets 413.
        headers_kib: KiB of all headers; more gets 431.
        headers_count: How many headers; more gets 431.
        headers_seconds: Until all headers have come; later gets 408.
        body_seconds: Until the whole request has come; later gets 408.
        idle_seconds: Until a connection without requests is closed.
        connections: Open connections at once, over all listeners; more are closed at once.
        streams: Requests at once on one h2 connection.
        batch_texts: Texts of one request; more gets 413. The model's own ``max_batch_size`` may be smaller.
        requests_per_second: What a key may ask for on average; more gets 429. None for no limit.
        burst: What a key may ask for at once on top of nothing used; None for as many as ``requests_per_second``.
        drain_seconds: How long requests may finish when the edge stops.
    """

    body_bytes: int = MEBIBYTE
    headers_kib: int = 16
    headers_count: int = 60
    headers_seconds: float = 5.0
    body_seconds: float = 30.0
    idle_seconds: float = 60.0
    connections: int = 1000
    streams: int = 100
    batch_texts: int = 64
    requests_per_second: int | None = None
    burst: int | None = None
    drain_seconds: int = 5


@dataclass(frozen=True, slots=True)
class Tracing:
    """Where spans go, by OTLP over gRPC.

    Attributes:
        host: The collector.
        port: Its OTLP port.
        service: What the edge is called in traces.
        sampling: Per cent of requests that are traced, 0 to 100.
    """

    host: str
    port: int = 4317
    service: str = "tritext-edge"
    sampling: float = 100.0


@dataclass(frozen=True, slots=True)
class Edge:
    """All that Envoy's configuration is made of.

    Attributes:
        endpoint: Deployments, traffic and mirror.
        upstreams: Where the deployments' instances answer.
        keys: The valid API keys by their clients' names; never shown.
        listeners: Where clients connect.
        admin_port: Port on ``stats_host`` of the read-only pages: ``/stats/prometheus``, ``/ready``, ``/clusters``.
        limits: What a client may take.
        tracing: Where spans go, if anywhere.
        log_path: Where the access log goes; relative to ``directory``.
        stats_host: Address of the read-only pages.
        directory: The folder of these files, as Envoy sees it; by default that which it runs in.
        admin_socket: Unix socket of Envoy's whole administration, for its owner alone; relative to ``directory``.
    """

    endpoint: Endpoint
    upstreams: tuple[Upstream, ...]
    keys: Mapping[str, str] = field(repr=False)
    listeners: tuple[Listener, ...]
    admin_port: int
    limits: Limits = Limits()
    tracing: Tracing | None = None
    log_path: str = "/dev/stdout"
    stats_host: str = "127.0.0.1"
    directory: str = "."
    admin_socket: str = "admin.sock"
