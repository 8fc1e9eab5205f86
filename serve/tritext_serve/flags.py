"""Triton's command line: options in, arguments out. Pure.

Every flag that narrows what the server does is set, whatever its default: the server is two years old and must face
nobody but this machine (docs/adr/0003-embedded-triton.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

# The APIs that change or reveal the server; the four that are left are health, metadata, inference and metrics.
RESTRICTED_APIS = ("shared-memory", "model-config", "model-repository", "statistics", "trace", "logging")
EXIT_TIMEOUT_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server listens.

    Attributes:
        host: An address of this machine; loopback unless the user says otherwise.
        http: Port of the KServe v2 HTTP API.
        grpc: Port of the KServe v2 gRPC API.
        metrics: Port of Prometheus metrics.
        reached: The host under which it is known here, where that is another; it may be in a network of its own.
    """

    host: str = "127.0.0.1"
    http: int = 8000
    grpc: int = 8001
    metrics: int = 8002
    reached: str = field(default="", kw_only=True)

    @property
    def reachable_host(self) -> str:
        """The host that a client on this machine uses."""
        if self.reached:
            return self.reached
        if self.host == "0.0.0.0":  # noqa: S104  # compared, not bound
            return "127.0.0.1"
        return f"[{self.host}]" if ":" in self.host else self.host


def triton_flags(
    address: Address, models: Path, backends: Path, caches: Path, *, locked_by: str, verbose: bool = False
) -> Sequence[str]:
    """Compose the arguments of ``tritonserver``.

    Args:
        address: Where to listen.
        models: The repository view.
        backends: The staged backends.
        caches: The wheel's cache libraries.
        locked_by: A random word that would open the restricted APIs; it is given to nobody, which closes them.
        verbose: Whether Triton logs every request.
    """
    apis = ",".join(RESTRICTED_APIS)
    return [
        f"--model-repository={models}",
        f"--backend-directory={backends}",
        f"--cache-directory={caches}",
        f"--http-address={address.host}",
        f"--http-port={address.http}",
        f"--grpc-address={address.host}",
        f"--grpc-port={address.grpc}",
        f"--metrics-address={address.host}",
        f"--metrics-port={address.metrics}",
        "--reuse-http-port=false",
        "--reuse-grpc-port=false",
        "--model-control-mode=none",
        "--disable-auto-complete-config",
        "--strict-readiness=true",
        "--exit-on-error=true",
        f"--exit-timeout-secs={EXIT_TIMEOUT_SECONDS}",
        f"--http-restricted-api={apis}:tritext-lock={locked_by}",
        f"--grpc-restricted-protocol={apis}:tritext-lock={locked_by}",
        "--allow-sagemaker=false",
        "--allow-vertex-ai=false",
        "--allow-gpu-metrics=false",
        f"--log-verbose={int(verbose)}",
    ]


def region_flags(prefix: str) -> Sequence[str]:
    """Say how the names of the server's shared-memory regions begin: they are found by it when nobody lives who knows.

    Args:
        prefix: What no other server's regions begin with.
    """
    # The python backend's setting is that of every backend which is written in Python; their own have no effect.
    return [f"--backend-config=python,shm-region-prefix-name={prefix}"]
