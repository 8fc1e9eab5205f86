"""Twenty thousand requests that nobody should send: defined answers, no failure of ours, the same servers after it."""

import socket
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis

from tests.e2e.mutations import SEED, cases, make
from tests.e2e.oracle import complaint, judge_plain
from tests.e2e.test_faults import answers_again
from tests.e2e.wire import exchange
from tests.serve.endpoint.edges import KEYS, RunningEdge
from tritext_serve.endpoint.edge.routes import PAGES
from tritext_serve.server import Server

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
CASES = 20_000
EXAMPLES = 30
CHUNKS = 1_000_000
# Lua's errors, after which Envoy would let a request pass; and connections that Triton closed on a request.
NEVER = "^(http.edge.lua.errors|cluster.*.upstream_cx_destroy_remote_with_active_rq)$"

REJECTED = [400, 401, 404, 405, 413, 415, 422, 431]
CONFIG = schemathesis.Config.from_dict(
    {
        "auth": {"openapi": {"key": {"bearer": KEYS["primary"]}}},
        "generation": {"max-examples": EXAMPLES, "deterministic": True},
        "suppress-health-check": ["too_slow"],  # a busy machine is
        # Envoy's parser refuses methods that it does not know with 400; test_faults.py asks with those that it knows.
        "checks": {
            "unsupported_method": {"enabled": False},
            "negative_data_rejection": {"expected-statuses": REJECTED},
        },
    }
)
SCHEMA = schemathesis.openapi.from_path(PAGES / "openapi.yaml", config=CONFIG)


@SCHEMA.hook
def map_body(context: schemathesis.HookContext, body: Any) -> Any:
    """Write whole numbers as whole numbers: to JSON Schema 8.0 is an integer too, to the endpoint it is none."""
    if isinstance(body, dict):
        return {key: map_body(context, value) for key, value in body.items()}
    if isinstance(body, list):
        return [map_body(context, value) for value in body]
    return int(body) if isinstance(body, float) and body.is_integer() else body


@pytest.fixture(autouse=True)
def alive_afterwards(edge_endpoint: RunningEdge, server: Server) -> Iterator[None]:
    """Whatever a test sends: the next good request is answered, no process is lost, and Lua and Triton held."""
    processes, never = server.footprint().processes, edge_endpoint.envoy.stats(NEVER)
    yield
    answers_again(edge_endpoint)
    assert server.footprint().processes == processes
    assert edge_endpoint.envoy.running
    assert edge_endpoint.envoy.stats(NEVER) == never


def test_a_case_is_made_from_its_number_alone() -> None:
    drawn = list(cases(500, "key"))
    assert [make(case.number, "key") for case in drawn] == drawn
    assert len({case.raw for case in drawn}) == len(drawn)


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        (b'{"text": "x"}', "good"),
        (b'{"text": ["x", "\\ud83d\\ude42"]}', "good"),
        (b'{"text": "x", "window_stride": true}', "either"),
        (b'{"text": "\\ud83d"}', "bad"),
        (b'{"text": "x", "text": "x"}', "bad"),
        (b'{"text": NaN}', "bad"),
        (b'\xef\xbb\xbf{"text": "x"}', "bad"),
        (b'{"text": "x"}x', "bad"),
        (b'{"text": []}', "bad"),
        (b"[" * 5000, "bad"),
        (b"", "bad"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_oracle_knows_good_from_bad(body: bytes, verdict: str) -> None:
    assert judge_plain(body) == verdict


@pytest.mark.timeout(600)
def test_mutated_requests_get_what_they_deserve(edge_endpoint: RunningEdge) -> None:
    host, port = edge_endpoint.edge.listeners[0].host, edge_endpoint.edge.listeners[0].port
    done = exchange(cases(CASES, edge_endpoint.key), host, port)
    found = [(one, fault) for one in done if (fault := complaint(one, edge_endpoint.key)) is not None]
    told = [f"make({one.case.number}, key, seed={SEED}) [{one.case.kind}]: {fault}" for one, fault in found[:20]]
    assert not found, f"{len(found)} of {CASES}:\n" + "\n".join(told)
    statuses = Counter(answer.status for one in done for answer in one.answers)
    assert statuses[200] > CASES / 50, "some of it is valid after all, and must stay so"
    assert {400, 401, 404, 405, 413, 415, 426, 431} <= set(statuses)


@SCHEMA.parametrize()
def test_the_description_is_true(case: schemathesis.Case[Any], edge_endpoint: RunningEdge) -> None:
    case.call_and_validate(base_url=edge_endpoint.url, timeout=60)


def test_a_million_chunks_of_one_byte_are_refused(edge_endpoint: RunningEdge) -> None:
    """Sent to Triton itself they end its process (CVE-2025-23310)."""
    listener = edge_endpoint.edge.listeners[0]
    head = (
        f"POST /predict HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {edge_endpoint.key}\r\n"
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection((listener.host, listener.port), timeout=120) as connection:
        connection.sendall(head.encode())
        connection.sendall(b"1\r\nx\r\n" * CHUNKS + b"0\r\n\r\n")
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"code": "invalid_json"' in answer
