"""Both doors of a fake Triton, each asked by threads and by an event loop."""

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.client.fake_triton import FakeGrpc, FakeHttp
from tritext._settings import Endpoint
from tritext._settings import endpoint as parse_endpoint
from tritext._transports import connect, connect_async
from tritext._transports.base import Answer, Call

_OPENSSL = [
    *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
    *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
]


@dataclass(frozen=True)
class Door:
    """One way in: a URL, and whether an event loop knocks."""

    url: str
    by_loop: bool
    fake: Any

    def infer(self, call: Call, **options: Any) -> Answer:
        """Send one call over a transport of its own."""
        answer: Answer = self._use("infer", (call,), **options)
        return answer

    def ready(self, model: str, version: str = "", **options: Any) -> bool:
        """Ask for readiness over a transport of its own."""
        return bool(self._use("ready", (model, version, 5.0), **options))

    def _use(self, method: str, arguments: tuple[Any, ...], api_key: str = "", ca_file: Path | None = None) -> Any:
        endpoint = parse_endpoint(self.url, api_key, ca_file)
        return asyncio.run(_await(endpoint, method, arguments)) if self.by_loop else _block(endpoint, method, arguments)


def _block(endpoint: Endpoint, method: str, arguments: tuple[Any, ...]) -> Any:
    transport = connect(endpoint)
    try:
        return getattr(transport, method)(*arguments)
    finally:
        transport.close()


async def _await(endpoint: Endpoint, method: str, arguments: tuple[Any, ...]) -> Any:
    transport = connect_async(endpoint)
    try:
        return await getattr(transport, method)(*arguments)
    finally:
        await transport.close()


@pytest.fixture(params=["threads", "loop"])
def by_loop(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "loop")


@pytest.fixture
def http(by_loop: bool) -> Iterator[Door]:
    with FakeHttp() as fake:
        yield Door(f"http://127.0.0.1:{fake.port}", by_loop, fake)


@pytest.fixture
def grpc(by_loop: bool) -> Iterator[Door]:
    with FakeGrpc() as fake:
        yield Door(f"grpc://127.0.0.1:{fake.port}", by_loop, fake)


@pytest.fixture(params=["grpc", "http"])
def door(request: pytest.FixtureRequest, by_loop: bool) -> Iterator[Door]:
    with FakeGrpc() if request.param == "grpc" else FakeHttp() as fake:
        yield Door(f"{request.param}://127.0.0.1:{fake.port}", by_loop, fake)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1 and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("MISSING: needs the openssl command to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    pem, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        [*_OPENSSL, "-keyout", str(key), "-out", str(pem)],
        check=True,
        capture_output=True,
        timeout=60,
    )
    return pem, key
