"""``python3 -m tritext_serve.endpoint.watch.image``: the Triton of NVIDIA's image, watched.

The image's own start script asks whether the repository is certified, composes the flags and becomes Triton. Here it is
started again and again, and what it serves is asked its canaries; nothing but psutil and prometheus-client is needed.
"""

import argparse
import secrets
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tritext_serve import processes, settings, triton_image  # first: who reads configurations wants grpcio without it
from tritext_serve.endpoint.watch.watcher import HEALTH_PORT, Post, watch
from tritext_serve.errors import ServeError
from tritext_serve.flags import Address
from tritext_serve.repository import scan
from tritext_serve.server import Server, ServerOptions

START_SECONDS = 3600.0  # TensorRT may build engines first
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  # where the kernel shows POSIX shared memory


class ImageServer(Server):
    """A Triton that a command starts, in place of the embedded one."""

    def __init__(self, command: Sequence[str], repository: Path, config: str, options: ServerOptions) -> None:
        """Read what will be served; the command itself refuses what is not certified.

        Args:
            command: What becomes Triton; the ports and the names of its regions are added at its end.
            repository: What it serves.
            config: Name of the configurations; "" for each model's ``config.pbtxt``.
            options: The address, which must be the command's, and the time to start.

        Raises:
            RepositoryError: there is nothing to serve.
        """
        self.options, self.doubts = options, ()
        self.models = scan(repository, config, triton_image.read)
        self._command = tuple(command)
        self._regions = f"tritext-watch-{secrets.token_hex(4)}"
        self._stage, self._process, self._log_start = None, None, 0

    def launch(self) -> None:
        """Start it, from a thread that lives as long as it must."""
        address = self.options.address
        flags = (
            f"--http-port={address.http}",
            f"--grpc-port={address.grpc}",
            f"--metrics-port={address.metrics}",
            f"--backend-config=python,shm-region-prefix-name={self._regions}",
        )
        self._process = subprocess.Popen(
            processes.bound_to_parent([*self._command, *flags]), stdin=subprocess.DEVNULL, start_new_session=True
        )

    def stop(self, patience: float = 0.0) -> None:
        """Stop it, and remove the regions that it leaves."""
        super().stop(patience)
        for region in _SHARED_MEMORY.glob(f"{self._regions}*"):
            region.unlink(missing_ok=True)

    def _reasons(self) -> str:
        return "its log is above"


def main(arguments: Sequence[str] | None = None) -> int:
    """Watch what a command starts."""
    args = _parser().parse_args(arguments)
    told = argparse.ArgumentParser(add_help=False)
    told.add_argument("--model-config-name", default="")
    config: str = told.parse_known_args(args.command)[0].model_config_name
    options = ServerOptions(
        address=Address("0.0.0.0", args.http_port, args.grpc_port, args.metrics_port),  # noqa: S104  # asked on loopback
        start_timeout=args.start_timeout,
    )
    try:
        server = ImageServer(args.command, args.repository, config, options)
        return watch(server, Post(args.deployment, args.health_host, args.health_port))
    except ServeError as error:
        sys.stderr.write(f"tritext: {error}\n")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 -m tritext_serve.endpoint.watch.image",
        description="Start Triton with a command and watch it: canaries, restarts, health and metrics.",
        epilog="example: python3 -m tritext_serve.endpoint.watch.image -- start-triton.sh --model-config-name=gpu",
    )
    parser.add_argument("command", nargs="+", metavar="COMMAND", help="what becomes Triton, after --")
    parser.add_argument("--repository", type=Path, default=Path("/models"), help="default: /models")
    parser.add_argument("--deployment", default=settings.deployment(), help="default: TRITEXT_DEPLOYMENT, or blue")
    parser.add_argument("--health-host", default="0.0.0.0")  # noqa: S104  # in a container loopback reaches nobody
    parser.add_argument("--health-port", type=int, default=HEALTH_PORT, metavar="PORT", help=f"default: {HEALTH_PORT}")
    for name, port in (("http", 8000), ("grpc", 8001), ("metrics", 8002)):
        parser.add_argument(f"--{name}-port", type=int, default=port, metavar="PORT", help=f"default: {port}")
    parser.add_argument("--start-timeout", type=float, default=START_SECONDS, metavar="S", help="default: an hour")
    return parser


if __name__ == "__main__":
    sys.exit(main())
