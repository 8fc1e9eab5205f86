"""How an endpoint is to run on this machine. Pure."""

from dataclasses import dataclass, field
from pathlib import Path

from tritext_serve.endpoint.edge.model import Limits, Listener, Tracing
from tritext_serve.endpoint.isolation.walls import Walls
from tritext_serve.endpoint.model import Endpoint
from tritext_serve.server import ServerOptions


@dataclass(frozen=True, slots=True)
class Plan:
    """How an endpoint is to run.

    Attributes:
        endpoint: What it is.
        listeners: Where clients connect.
        keys_file: Where its keys lie.
        options: How each Triton is served.
        limits: What a client may take.
        tracing: Where the edge's spans go.
        memory_bytes: What one deployment may take; None for no limit.
        isolate: Whether control groups are tried.
        walls: The network that it has to itself; None for this machine's.
    """

    endpoint: Endpoint
    listeners: tuple[Listener, ...]
    keys_file: Path
    options: ServerOptions = field(default_factory=ServerOptions)
    limits: Limits = field(default_factory=Limits)
    tracing: Tracing | None = None
    memory_bytes: int | None = None
    isolate: bool = True
    walls: Walls | None = None
