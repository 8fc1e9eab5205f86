"""How much, how long and by which protocol: an edge with tight limits, plain and with TLS."""

import json
import socket
import ssl
import struct
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from tests.serve.endpoint.edge.conftest import Pair
from tests.serve.endpoint.edge.test_routing import refused
from tests.serve.endpoint.edges import KEYS, RunningEdge, run_edge
from tritext_serve.endpoint.edge import Limits, Listener, Tls, render
from tritext_serve.endpoint.edge.files import write
from tritext_serve.ports import steady_ports

# HTTP/2's numbers: the kind of a frame, and two settings in it.
SETTINGS, MOST_STREAMS, INITIAL_WINDOW = 4, 3, 4
TIGHT = Limits(
    body_bytes=2000,
    headers_seconds=0.5,
    body_seconds=1,
    connections=8,
    drain_seconds=1,
    requests_per_second=1,
    burst=20,
)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    """A certificate for localhost."""
    directory = tmp_path_factory.mktemp("tls")
    tls = Tls(directory / "chain.pem", directory / "key.pem")
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    try:
        subprocess.run(
            [*command, *names, "-keyout", str(tls.key), "-out", str(tls.certificate)], check=True, capture_output=True
        )
    except FileNotFoundError:
        pytest.skip("MISSING openssl: no certificate can be made")
    return tls


@pytest.fixture(scope="module")
def tight(
    both: tuple[Pair, object], certificate: Tls, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningEdge]:
    """An edge with tight limits, whose second listener has TLS, in front of the pair's servers."""
    running, _ = both
    edge = running.edge.edge
    with run_edge(
        tmp_path_factory.mktemp("tight"), running.edge.health, edge.endpoint, edge.upstreams, limits=TIGHT
    ) as made:
        secure = Listener("127.0.0.1", steady_ports(1)[0], certificate)
        made.change(listeners=(*made.edge.listeners, secure))
        yield made


def send(edge: RunningEdge, *parts: bytes) -> bytes:
    """Send bytes as they are; give all that comes back until the edge closes."""
    host, port = edge.edge.listeners[0].host, edge.edge.listeners[0].port
    with socket.create_connection((host, port), timeout=10) as connection:
        connection.sendall(b"".join(parts))  # at once: a pause would be a slow request
        return b"".join(iter(lambda: connection.recv(65536), b""))


def head(*headers: str, path: str = "/predict", key: str = KEYS["secondary"]) -> bytes:
    """A request's first lines, without the empty one that ends them."""
    lines = (
        f"POST {path} HTTP/1.1",
        "Host: x",
        f"Authorization: Bearer {key}",
        "Content-Type: application/json",
        *headers,
    )
    return "\r\n".join(lines).encode() + b"\r\n"


def code_of(raw: bytes) -> tuple[int, str]:
    """Read status and code of a raw answer."""
    top, _, body = raw.partition(b"\r\n\r\n")
    return int(top.split()[1]), json.loads(body)["code"]


def test_a_body_may_be_that_large_and_no_larger(tight: RunningEdge) -> None:
    with httpx.Client(base_url=tight.url, headers=tight.headers, trust_env=False) as client:
        fits = b'{"text":"' + b"a" * (2000 - 11) + b'"}'
        headers = {"content-type": "application/json"}
        assert len(fits) == 2000
        assert client.post("/predict", content=fits, headers=headers).status_code == 200
        refused(client.post("/predict", content=fits + b" ", headers=headers), "too_large")


@pytest.mark.parametrize(
    ("parts", "status", "code"),
    [
        ((head()[:-20],), 408, "slow_request"),
        ((head("Content-Length: 10"), b"\r\n", b"{"), 408, "slow_request"),
        ((head("X-Large: " + "a" * 17_000), b"\r\n"), 431, "headers_too_large"),
        ((head(*(f"X-{n}: 1" for n in range(70))), b"\r\n"), 431, "headers_too_large"),
        ((head("x_admin: 1", "Connection: close"), b"\r\n"), 400, "bad_request"),
        ((head("Connection: close", path="/v2%2fmodels"), b"\r\n"), 400, "bad_request"),
        (
            (head("Content-Encoding: gzip", "Content-Length: 2", "Connection: close"), b"\r\n{}"),
            415,
            "content_encoding",
        ),
        ((head("Content-Length: 0", "Connection: close"), b"\r\n"), 400, "empty_body"),
        ((head("Connection: close", path="/" + "a" * 9000), b"\r\n"), 404, "not_found"),
        ((b"GET /v2 HTTP/1.0\r\nHost: x\r\n\r\n",), 426, "upgrade_required"),
    ],
)
def test_what_is_too_slow_too_large_or_not_allowed(
    tight: RunningEdge, parts: tuple[bytes, ...], status: int, code: str
) -> None:
    assert code_of(send(tight, *parts)) == (status, code)


def test_chunks_arrive_whole_with_a_length(tight: RunningEdge, pair: Pair) -> None:
    body = json.dumps({"text": "in chunks " * 20}).encode()
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    raw = send(tight, head("Transfer-Encoding: chunked", "Connection: close"), b"\r\n", chunks + b"0\r\n\r\n")
    assert raw.startswith(b"HTTP/1.1 200")
    assert pair.blue.asked[-1].body == body
    assert pair.blue.asked[-1].headers["content-length"] == str(len(body))


def test_a_keys_rate_is_limited_and_no_other_keys(tight: RunningEdge) -> None:
    tight.change(keys=KEYS | {"busy": "busy-" + "b" * 40})
    with httpx.Client(base_url=tight.url, trust_env=False) as client:

        def ask(key: str) -> httpx.Response:
            return client.post("/predict", json={"text": "x"}, headers={"authorization": f"Bearer {key}"})

        began, granted = time.monotonic(), 0
        while (answer := ask("busy-" + "b" * 40)).status_code == 200 and granted < 1000:
            granted += 1
        assert 20 <= granted <= 21 + (time.monotonic() - began)
        refused(answer, "rate_limited")
        assert ask(KEYS["primary"]).status_code == 200


def test_tls_is_new_enough_and_offers_h2(tight: RunningEdge, certificate: Tls) -> None:
    secure = tight.edge.listeners[1]
    trust = ssl.create_default_context(cafile=str(certificate.certificate))
    for offered, chosen in ((["h2", "http/1.1"], "h2"), (["http/1.1"], "http/1.1")):
        trust.set_alpn_protocols(offered)
        with (
            socket.create_connection((secure.host, secure.port), timeout=10) as plain,
            trust.wrap_socket(plain, server_hostname="localhost") as made,
        ):
            assert made.selected_alpn_protocol() == chosen
            assert made.version() in ("TLSv1.2", "TLSv1.3")
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.load_verify_locations(certificate.certificate)
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        socket.create_connection((secure.host, secure.port), timeout=10) as plain,
        pytest.raises((ssl.SSLError, OSError)),
    ):
        old.wrap_socket(plain, server_hostname="localhost")


def test_both_protocols_answer_over_tls(tight: RunningEdge, certificate: Tls) -> None:
    trust = ssl.create_default_context(cafile=str(certificate.certificate))
    url = f"https://localhost:{tight.edge.listeners[1].port}"
    for http2, version in ((True, "HTTP/2"), (False, "HTTP/1.1")):
        with httpx.Client(base_url=url, http2=http2, verify=trust, headers=tight.headers, trust_env=False) as client:
            answer = client.post("/predict", json={"text": "x"})
            assert (answer.status_code, answer.http_version) == (200, version)
            refused(client.post("/predict", json={"text": 1}), "invalid_request")


def test_a_connection_of_h2_is_told_how_much_it_may_have_at_once(tight: RunningEdge) -> None:
    where = (tight.edge.listeners[0].host, tight.edge.listeners[0].port)
    with socket.create_connection(where, timeout=30) as connection, connection.makefile("rb") as frames:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, SETTINGS, 0, 0, 0, 0, 0]))
        length, kind = struct.unpack("!IB", b"\0" + frames.read(4))
        frames.read(5)  # flags and stream
        told = dict(struct.iter_unpack("!HI", frames.read(length)))
    assert kind == SETTINGS
    assert told[MOST_STREAMS] == TIGHT.streams == 100
    assert told[INITIAL_WINDOW] == 64 << 10


def test_connections_over_the_limit_are_closed_and_the_others_live(tight: RunningEdge) -> None:
    where = (tight.edge.listeners[0].host, tight.edge.listeners[0].port)
    idle = [socket.create_connection(where, timeout=5) for _ in range(12)]
    try:
        for connection in idle:
            connection.settimeout(0.1)
        closed, deadline = set[int](), time.monotonic() + 60
        while len(closed) < 4 and time.monotonic() < deadline:
            closed |= {connection.fileno() for connection in idle if _is_closed(connection)}
        assert len(closed) >= 4
    finally:
        for connection in idle:
            connection.close()


def _is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True


def test_the_stats_port_is_read_only(tight: RunningEdge) -> None:
    with httpx.Client(base_url=tight.admin, trust_env=False) as client:
        assert "envoy_http_downstream_rq_xx" in client.get("/stats/prometheus").text
        assert client.get("/ready").text.startswith("LIVE")
        for method, path in (("GET", "/config_dump"), ("POST", "/quitquitquit"), ("POST", "/ready"), ("GET", "/")):
            assert client.request(method, path).status_code == 404


def test_a_listener_that_goes_leaves_the_other(tight: RunningEdge, tmp_path: Path) -> None:
    assert write(tmp_path, render(replace(tight.edge, listeners=tight.edge.listeners[:1])))
    assert json.loads((tmp_path / "lds.json").read_text())["resources"][0]["name"] == "edge_0"
