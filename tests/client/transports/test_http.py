"""What only HTTP does."""

import socket
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from tests.client.fake_triton import FakeHttp
from tests.client.transports.conftest import Door
from tritext import ConfigurationError, DeadlineExceeded, InferenceFailed, QueueFull, TritextError, Unavailable
from tritext._transports.base import Call
from tritext._transports.http import _Remaining

CALL = Call("sentiment", "", ("four", "a\0b"), ("score", "label_id"), 9.0)
RATE_LIMITED = Call("sentiment", "", ("refuse:429:local_rate_limited",), ("score",), 9.0)


def test_the_request(http: Door) -> None:
    http.infer(CALL)
    path, _, body = http.fake.requests[0]
    assert path == "/v2/models/sentiment/infer"
    assert 8_000_000 < body.pop("parameters")["timeout"] <= 9_000_000
    assert body == {
        "inputs": [{"name": "text", "shape": [2, 1], "datatype": "BYTES", "data": ["four", "a\0b"]}],
        "outputs": [{"name": "score", "parameters": {}}, {"name": "label_id", "parameters": {}}],
    }


def test_versions_and_prefixes_are_part_of_the_path(http: Door) -> None:
    door = Door(f"{http.url}/team/a/", http.by_loop, http.fake)
    door.infer(Call("sentiment", "3", ("four",), ("score",), 9.0))
    door.ready("sentiment", "3")
    paths = [path for path, *_ in http.fake.requests]
    assert paths == [f"/team/a/v2/models/sentiment/versions/3/{verb}" for verb in ("infer", "ready")]


@pytest.mark.parametrize(("header", "low", "high"), [("7", 7, 7), ("soon", None, None), ("-1", None, None)])
def test_retry_after_in_seconds(http: Door, header: str, low: float | None, high: float | None) -> None:
    http.fake.headers["retry-after"] = header
    with pytest.raises(QueueFull) as caught:
        http.infer(RATE_LIMITED)
    assert caught.value.retry_after == low == high


def test_retry_after_as_a_date(http: Door) -> None:
    http.fake.headers["retry-after"] = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    with pytest.raises(QueueFull) as caught:
        http.infer(RATE_LIMITED)
    assert 25 < (caught.value.retry_after or 0) <= 30


def test_a_gateway_s_own_page_is_quoted(http: Door) -> None:
    with pytest.raises(Unavailable, match="<h1>Bad Gateway</h1>"):
        http.infer(Call("sentiment", "", ("refuse:502:<h1>Bad Gateway</h1>",), ("score",), 9.0))


@pytest.mark.parametrize(
    "document",
    [
        "",
        "<html>hello</html>",
        "[]",
        "{}",
        '{"model_version": "1", "outputs": [1]}',
        '{"outputs": []}',
        '{"model_version": "1", "outputs": [{"name": "score", "datatype": "FP99", "shape": [1], "data": [1]}]}',
        '{"model_version": "1", "outputs": [{"name": "score", "datatype": "FP32", "shape": [2], "data": [1]}]}',
        '{"model_version": "1", "outputs": [{"name": "score", "datatype": "FP32", "shape": [1], "data": ["x"]}]}',
        '{"model_version": "1", "outputs": [{"name": "text", "datatype": "BYTES", "shape": [1], "data": [1]}]}',
        '{"model_version": "1", "outputs": [{"name": "text", "datatype": "BYTES", "shape": [1], "data": ["\\ud800"]}]}',
    ],
)
def test_an_answer_that_is_none(by_loop: bool, document: str) -> None:
    with FakeHttp(document.encode()) as fake, pytest.raises(InferenceFailed, match="not an answer of Triton's"):
        Door(f"http://127.0.0.1:{fake.port}", by_loop, fake).infer(CALL)


def test_a_refused_readiness_question(http: Door) -> None:
    with FakeHttp() as fake:
        fake.ready_status = 403
        with pytest.raises(TritextError, match="api_key"):
            Door(f"http://127.0.0.1:{fake.port}", http.by_loop, fake).ready("sentiment")


def test_tls(by_loop: bool, certificate: tuple[Path, Path]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with FakeHttp(context=context) as fake:
        door = Door(f"https://127.0.0.1:{fake.port}", by_loop, fake)
        assert door.infer(CALL, ca_file=certificate[0]).model_version == "7"
        with pytest.raises(ConfigurationError, match="CERTIFICATE_VERIFY_FAILED"):
            door.infer(CALL)


def test_a_body_that_trickles_in_is_stopped(by_loop: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=trickle, args=(listener,))
        thread.start()
        door = Door(f"http://127.0.0.1:{listener.getsockname()[1]}", by_loop, None)
        begun = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            door.infer(Call("sentiment", "", ("four",), ("score",), 0.3))
        assert time.monotonic() - begun < 8
        thread.join(10)


def trickle(listener: socket.socket) -> None:
    """Answer with a long body, a byte every 50 ms, until the reader goes."""
    connection, _ = listener.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        for _ in range(200):
            time.sleep(0.05)
            try:
                connection.sendall(b" ")
            except OSError:
                return


def test_a_grpc_port_is_recognised(by_loop: bool, grpc: Door) -> None:
    port = grpc.url.rsplit(":", 1)[1]
    with pytest.raises(ConfigurationError, match="different ports"):
        Door(f"http://127.0.0.1:{port}", by_loop, None).infer(CALL)


def test_each_phase_of_a_request_is_given_what_the_earlier_ones_left() -> None:
    remaining = _Remaining(0.2)
    before = dict(remaining)
    time.sleep(0.05)
    after = dict(remaining)
    assert set(before) == {"pool", "connect", "write", "read"}
    assert all(after[phase] < before[phase] - 0.04 for phase in before)
    time.sleep(0.2)
    assert 0 < remaining["read"] < 0.01
