"""The command, run in this process with a fake server behind it."""

import io
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from tests.client.fake_transport import FakeTransport
from tritext import Client
from tritext._cli import classify
from tritext._cli.main import GROUP, main

CLASSIFY = EntryPoint("classify", "tritext._cli.classify", GROUP)
# Runs `tritext classify WORDS...` with `stdin` on standard input, None for a terminal; gives the exit code.
Run = Callable[..., int]


class Terminal(io.StringIO):
    """Somebody at a keyboard."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def server() -> FakeTransport:
    return FakeTransport()


@pytest.fixture
def run(server: FakeTransport, monkeypatch: pytest.MonkeyPatch) -> Run:
    def client(url: str | None, model: str | None, **options: Any) -> Client:
        return Client(url, model, transport=server, **options)

    def run(*words: str, stdin: bytes | None = b"") -> int:
        monkeypatch.setattr(sys, "stdin", Terminal() if stdin is None else io.TextIOWrapper(io.BytesIO(stdin)))
        return main(["classify", *words], verbs=[CLASSIFY])

    monkeypatch.setattr(classify, "Client", client)
    monkeypatch.setenv("TRITEXT_URL", "grpc://h:1")
    return run
