"""Whatever a stranger or a friend sends: the status, the word, the counter, and the next good request answered."""

import contextlib
import json
import re
import select
import socket
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from tests.e2e.faults import FAULTS, JSON, RAW, REFUSED, Fault, Raw
from tests.e2e.mutations import Case
from tests.e2e.wire import exchange
from tests.serve.endpoint.edges import RunningEdge, blue_and_green, run_edge, upstream_of
from tests.serve.endpoint.health import Health
from tritext_serve.endpoint.edge import Limits
from tritext_serve.endpoint.edge.refusals import REFUSALS
from tritext_serve.endpoint.model import RequestSettings
from tritext_serve.server import Server

pytestmark = pytest.mark.e2e
SECONDS = 20.0
# On a busy machine an overload is worked off for a while: what was given up is computed all the same.
AGAIN_SECONDS = 120.0
OVERLOAD = 200
TOO_LARGE = "http.edge.downstream_rq_too_large"
CLOSED, LOST = "http.edge.downstream_cx_destroy", "http.edge.downstream_cx_destroy_remote_active_rq"
# What the requests of a flood leave behind for a moment.
STILL_BUSY = (408, 429)


@pytest.fixture(scope="module", params=[False, True], ids=["HTTP/1.1", "h2"])
def client(request: pytest.FixtureRequest, edge_endpoint: RunningEdge) -> Iterator[httpx.Client]:
    """A client that keeps its connection for as long as the edge does."""
    h2: bool = request.param
    with httpx.Client(base_url=edge_endpoint.url, timeout=SECONDS, http1=not h2, http2=h2) as made:
        yield made


@pytest.fixture(autouse=True)
def alive_afterwards(edge_endpoint: RunningEdge, server: Server) -> Iterator[None]:
    """The next good request is answered, and no process has gone."""
    before = server.footprint().processes
    yield
    answers_again(edge_endpoint)
    assert server.footprint().processes == before


def answers_again(edge: RunningEdge) -> None:
    """Wait out what the requests before have left behind; then the next good request must be answered."""
    deadline = time.monotonic() + AGAIN_SECONDS
    while (answer := ask(edge)).status_code in STILL_BUSY:
        assert time.monotonic() < deadline, answer.text
    assert (answer.status_code, answer.json()["sentiment"]) == (200, "positive")


def logged(edge: RunningEdge, words: str, times: int = 1) -> None:
    """Wait until words stand so many times in the access log, which Envoy writes now and then."""
    deadline = time.monotonic() + AGAIN_SECONDS
    while edge.access_log.read_text(encoding="utf-8").count(words) < times:
        assert time.monotonic() < deadline, f"{words} is not in the access log {times} times"
        time.sleep(0.05)


def ask(edge: RunningEdge) -> httpx.Response:
    """Send a good request."""
    body = {"text": "A wonderful film."}
    return httpx.post(f"{edge.url}/predict", json=body, headers=edge.headers, timeout=SECONDS)


@contextlib.contextmanager
def rises(edge: RunningEdge, counter: str) -> Iterator[None]:
    """One of Envoy's counters must be more afterwards."""
    pattern = "^" + counter.replace(".", r"\.") + "$"
    before = edge.envoy.stats(pattern).get(counter, 0)  # some exist from their first event on
    yield
    deadline = time.monotonic() + AGAIN_SECONDS
    while edge.envoy.stats(pattern).get(counter, 0) <= before:
        assert time.monotonic() < deadline, f"{counter} does not rise"
        time.sleep(0.02)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.row}: {fault.name}")
def test_a_bad_request_gets_its_answer(edge_endpoint: RunningEdge, client: httpx.Client, fault: Fault) -> None:
    headers = edge_endpoint.headers | {"content-type": JSON} | dict(fault.headers)
    told = {name: value for name, value in headers.items() if value is not None}
    with rises(edge_endpoint, fault.counter):
        answer = client.request(fault.method, fault.path, content=fault.body, headers=told)
    assert (answer.status_code, answer.headers["content-type"]) == (fault.status, JSON), answer.text
    content = answer.json()
    if fault.status == 200:
        assert {key: content[key] for key in fault.says} == fault.says
        return
    assert content["code"] == fault.code
    assert set(content) == {"error", "code"}
    assert REFUSALS[fault.code].status == fault.status
    assert {name: answer.headers[name] for name in fault.says} == fault.says


@pytest.mark.parametrize("raw", RAW, ids=lambda raw: f"{raw.row}: {raw.name}")
def test_bytes_that_are_hardly_http_get_theirs(edge_endpoint: RunningEdge, raw: Raw) -> None:
    listener = edge_endpoint.edge.listeners[0]
    key = f"Authorization: Bearer {edge_endpoint.key}\r\nContent-Type: {JSON}\r\nConnection: close\r\n"
    request = f"{raw.line}\r\n{key}{raw.head}\r\n".encode() + raw.body
    place = (listener.host, listener.port)
    with rises(edge_endpoint, raw.counter), socket.create_connection(place, timeout=SECONDS) as connection:
        connection.sendall(request)
        answer = connection.makefile("rb").read()
    assert answer.split(b" ", 2)[1] == str(raw.status).encode()
    assert len(re.findall(rb"HTTP/1\.1 \d{3} ", answer)) == 1, "one request, one answer"


@pytest.mark.parametrize("header", ["many", "underscore"])
def test_h2_streams_with_bad_headers_are_reset_alone(edge_endpoint: RunningEdge, header: str) -> None:
    """Rows 22 over HTTP/2, where Envoy ends the stream and not the connection."""
    bad = {f"h{n}": "x" for n in range(100)} if header == "many" else {"x_admin": "1"}
    with httpx.Client(base_url=edge_endpoint.url, timeout=SECONDS, http1=False, http2=True) as client:
        with rises(edge_endpoint, "http2.tx_reset"), pytest.raises(httpx.RemoteProtocolError, match="StreamReset"):
            client.post("/predict", json={"text": "good"}, headers=edge_endpoint.headers | bad)
        assert client.post("/predict", json={"text": "good"}, headers=edge_endpoint.headers).status_code == 200


def test_a_body_over_a_mebibyte_is_refused_over_http_1(edge_endpoint: RunningEdge) -> None:
    """Row 4; over h2 httpx waits to send the rest for ever, which is a known early-reply wrinkle of its own."""
    raw = _case(0, edge_endpoint, json.dumps({"text": "x" * 10_000_000}).encode()).raw
    with rises(edge_endpoint, TOO_LARGE), socket.create_connection(_place(edge_endpoint), SECONDS) as connection:
        sent = 0
        while not (ready := select.select([connection], [connection], [], SECONDS))[0]:  # it listens while it sends
            assert ready[1], "neither an answer nor room for more"
            sent += connection.send(raw[sent : sent + 65536])
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"code":"too_large"' in answer.replace(b" ", b"")
    assert sent < len(raw)


def test_a_key_is_never_logged(edge_endpoint: RunningEdge) -> None:
    """Row 23: neither a good one nor one that was tried."""
    tried = "tried-" + "t" * 30
    for number, key in enumerate((edge_endpoint.key, tried)):
        headers = {"authorization": f"Bearer {key}", "x-request-id": f"never-logged-{number}"}
        httpx.post(f"{edge_endpoint.url}/predict", json={"text": "good"}, headers=headers, timeout=SECONDS)
        logged(edge_endpoint, f"never-logged-{number}")
    written = [path.read_text(encoding="utf-8", errors="replace") for path in edge_endpoint.directory.glob("*.log")]
    assert any("/predict" in text for text in written)
    assert not any(key in text for text in written for key in (edge_endpoint.key, tried))
    arguments = Path(f"/proc/{edge_endpoint.envoy.pid}/cmdline").read_bytes()
    assert edge_endpoint.key.encode() not in arguments


def test_a_full_queue_refuses_at_once_and_serves_the_rest(edge_endpoint: RunningEdge) -> None:
    """Row 24."""
    bodies = [json.dumps({"text": f"{n} " + "long " * 500}).encode() for n in range(OVERLOAD)]
    before = edge_endpoint.access_log.read_text(encoding="utf-8").count('"error":"queue_full"')
    with rises(edge_endpoint, REFUSED):
        cases = [_case(n, edge_endpoint, body) for n, body in enumerate(bodies)]
        done = exchange(cases, *_place(edge_endpoint), own=OVERLOAD, seconds=SECONDS)
    answers = [answer for one in done for answer in one.answers]
    assert len(answers) == OVERLOAD
    statuses = Counter(answer.status for answer in answers)
    assert set(statuses) <= {200, 408, 429}, statuses
    assert statuses[200] > 0, "what was accepted is served"
    assert statuses[429] > 0, "what was too much is told to come back"
    refused = [answer for answer in answers if answer.status == 429]
    assert all(answer.content["code"] == "queue_full" and answer.headers["retry-after"] == "1" for answer in refused)
    for one in done:
        if one.answers[0].status == 200:
            assert one.answers[0].content["text"].startswith(f"{one.case.number} ")
    logged(edge_endpoint, '"error":"queue_full"', before + 1)


def test_twenty_clients_that_hang_up_do_not_matter(edge_endpoint: RunningEdge) -> None:
    """Row 27."""
    raw = _case(0, edge_endpoint, json.dumps({"text": ["long " * 400] * 32}).encode()).raw
    with rises(edge_endpoint, LOST):
        for _ in range(20):
            with socket.create_connection(_place(edge_endpoint), timeout=SECONDS) as connection:
                connection.sendall(raw)


def test_a_client_that_closes_its_sending_side_gets_no_wrong_answer(edge_endpoint: RunningEdge) -> None:
    """Row 29: Envoy takes the end of what a client sends for the end of the client; nothing or the answer comes."""
    raw = _case(0, edge_endpoint, b'{"text": "good"}').raw
    with rises(edge_endpoint, CLOSED), socket.create_connection(_place(edge_endpoint), timeout=SECONDS) as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.makefile("rb").read()
    assert answer == b"" or answer.startswith(b"HTTP/1.1 200 ")


@pytest.fixture(scope="module")
def impatient(
    server: Server, model_repository: Path, health: Health, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningEdge]:
    """An edge that waits half a second for headers and one for bodies, and a millisecond for deployment green."""
    endpoint = blue_and_green(model_repository)
    green = replace(endpoint.deployments["green"], request_settings=RequestSettings(request_timeout_ms=1))
    endpoint = replace(endpoint, deployments={**endpoint.deployments, "green": green})
    limits = Limits(headers_seconds=0.5, body_seconds=1.0, drain_seconds=1)
    upstreams = tuple(upstream_of(server, name, health) for name in ("blue", "green"))
    with run_edge(tmp_path_factory.mktemp("impatient"), health, endpoint, upstreams, limits=limits) as running:
        yield running


@pytest.mark.parametrize(
    ("sent", "counter"),
    [
        (b"POST /predict HTTP/1.1\r\nHost: localhost\r\nX: ", "http.edge.downstream_rq_header_timeout"),
        (None, "http.edge.downstream_rq_timeout"),
    ],
    ids=["header", "body"],
)
def test_who_sends_slowly_is_told_so(impatient: RunningEdge, sent: bytes | None, counter: str) -> None:
    """Row 28."""
    whole = _case(0, impatient, b'{"text": "good"}').raw
    with rises(impatient, counter), socket.create_connection(_place(impatient), timeout=SECONDS) as connection:
        connection.sendall(sent or whole[:-1])
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_a_deployment_that_takes_longer_than_it_may_is_given_up(impatient: RunningEdge) -> None:
    """Row 25, by the deployment's own limit; Azure's status for it is 408."""
    body = json.dumps({"text": ["long " * 400] * 8}).encode()
    headers = impatient.headers | {"azureml-model-deployment": "green", "content-type": JSON}
    with rises(impatient, "cluster.green.upstream_rq_timeout"):
        answer = httpx.post(f"{impatient.url}/predict", content=body, headers=headers, timeout=SECONDS)
    assert (answer.status_code, answer.json()["code"]) == (408, "request_timeout")


def _place(edge: RunningEdge) -> tuple[str, int]:
    listener = edge.edge.listeners[0]
    return listener.host, listener.port


def _case(number: int, edge: RunningEdge, body: bytes) -> Case:
    """A request on a connection of its own."""
    head = (
        f"POST /predict HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {edge.key}\r\nContent-Type: {JSON}\r\n"
        f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return Case(number, "by hand", head.encode() + body)
