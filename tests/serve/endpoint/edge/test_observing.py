"""What the edge tells of requests: the access log and traces."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.monitoring.collector import Collector
from tests.serve.endpoint.edge.conftest import Pair
from tests.serve.endpoint.edge.test_routing import wait_for
from tests.serve.endpoint.edge.upstream import Orders
from tests.serve.endpoint.edges import run_edge
from tritext_serve.endpoint.edge import Tracing
from tritext_serve.endpoint.edge.access_log import FIELDS


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector of traces."""
    with Collector() as made:
        yield made


def lines(log: Path, request_id: str) -> list[dict[str, Any]]:
    """Read what the log says of a request."""
    found = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    return [line for line in found if line["request_id"] == request_id]


def test_a_line_says_who_what_where_and_why_not(pair: Pair) -> None:
    log = pair.edge.access_log
    pair.ask("/predict?secret=1", text="a private matter", x_request_id="fine")
    pair.blue.orders = Orders(503, "Exceeds maximum queue size")
    pair.ask(x_request_id="full")
    pair.edge.health.ill.add("blue/0")
    wait_for(lambda: pair.ask(x_request_id="ill").headers["x-error-code"] == "unavailable")
    wait_for(lambda: any(line["error"] == "unavailable" for line in lines(log, "ill")))
    (fine,), (full,) = lines(log, "fine"), lines(log, "full")
    assert set(fine) == set(FIELDS)
    assert (fine["client"], fine["deployment"], fine["route"]) == ("primary", "blue", "predict:blue")
    assert (fine["path"], fine["status"], fine["flags"], fine["details"]) == ("/predict", 200, "-", "via_upstream")
    assert fine["upstream"] == f"127.0.0.1:{pair.blue.port}"
    assert (full["status"], full["error"], full["bytes_received"]) == (429, "queue_full", 12)
    assert "UH" in {line["flags"] for line in lines(log, "ill")}
    assert "private" not in log.read_text()
    assert "secret" not in log.read_text()


def test_spans_reach_the_collector_and_the_context_reaches_the_deployment(
    pair: Pair, collector: Collector, tmp_path: Path
) -> None:
    edge = pair.edge.edge
    tracing = Tracing("127.0.0.1", collector.grpc_port, service="an-edge")
    with (
        run_edge(tmp_path, pair.edge.health, edge.endpoint, edge.upstreams, tracing=tracing) as running,
        httpx.Client(base_url=running.url, headers=running.headers, trust_env=False) as client,
    ):
        assert client.post("/predict", json={"text": "x"}).status_code == 200
        wait_for(lambda: len(collector.spans) >= 2)
        context = pair.blue.asked[-1].headers["traceparent"].split("-")
        wait_for(lambda: bool(running.access_log.read_text()))
        (line,) = [json.loads(text) for text in running.access_log.read_text().splitlines()]
    assert {span.service for span in collector.spans} == {"an-edge"}
    assert {span.trace for span in collector.spans} == {context[1]} == {line["trace_id"]}
    assert context[2] in {span.id for span in collector.spans}


def test_without_a_collector_no_context_is_made(pair: Pair) -> None:
    pair.ask()
    assert "traceparent" not in pair.blue.asked[-1].headers
