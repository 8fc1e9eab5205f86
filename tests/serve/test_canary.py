"""The canary: what counts as an answer, over real sockets."""

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tritext_serve.canary import Canary, check, is_ready, read_canary
from tritext_serve.errors import CanaryError, LateError, WrongAnswerError
from tritext_serve.ports import steady_ports

CANARY = Canary("m", "3", "a text", 1)


class Answers(http.server.BaseHTTPRequestHandler):
    """A server that answers every inference in one way."""

    status, body = 200, b""

    def do_POST(self) -> None:
        self.server.asked = self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))  # type: ignore[attr-defined]
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class names it so
        """Keep quiet."""


@pytest.fixture
def answering() -> Iterator[http.server.HTTPServer]:
    """A running one."""
    server = http.server.HTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def ask(server: http.server.HTTPServer, status: int, body: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Check the canary against one answer."""
    monkeypatch.setattr(Answers, "status", status)
    monkeypatch.setattr(Answers, "body", json.dumps(body).encode())
    check(f"http://127.0.0.1:{server.server_port}", CANARY)


def test_the_expected_label_passes(answering: http.server.HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(answering, 200, {"outputs": [{"name": "label_id", "data": [1]}]}, monkeypatch)
    path, body = answering.asked  # type: ignore[attr-defined]
    assert path == "/v2/models/m/versions/3/infer"
    assert body["inputs"][0]["data"] == ["a text"]


def test_another_label_does_not(answering: http.server.HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WrongAnswerError, match="gives its canary text label 0, at export it was 1"):
        ask(answering, 200, {"outputs": [{"name": "label_id", "data": [0]}]}, monkeypatch)


def test_a_full_queue_is_late_and_no_failure(
    answering: http.server.HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(LateError, match=r"503: .*Exceeds maximum queue size"):
        ask(answering, 503, {"error": "Exceeds maximum queue size"}, monkeypatch)


def test_an_error_answer_is_quoted(answering: http.server.HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CanaryError, match=r"500: .*Stub process is not healthy"):
        ask(answering, 500, {"error": "Stub process is not healthy"}, monkeypatch)


def test_nobody_there() -> None:
    url = f"http://127.0.0.1:{steady_ports(1)[0]}"
    assert not is_ready(url)
    with pytest.raises(CanaryError, match="Connection refused"):
        check(url, CANARY)


@pytest.mark.parametrize("content", ["", "{}", '{"canary": {"text": "x"}}', '{"canary": []}'])
def test_a_manifest_without_a_canary_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(CanaryError, match=r"manifest\.json has no canary"):
        read_canary("m", tmp_path)
