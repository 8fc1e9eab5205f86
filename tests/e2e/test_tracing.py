"""One request, one trace: from the edge through Triton, to an OTLP collector that the tests listen on.

Everything is asked first and waited for once: the edge and Triton hand over their spans every five seconds.
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc

from tests.conftest import server_options
from tests.e2e.raw import get, post
from tests.monitoring.collector import Collector, Span
from tests.monitoring.live import wait_until
from tests.serve.endpoint.edges import RunningEdge, blue_and_green, run_edge, upstream_of
from tests.serve.endpoint.health import Health
from tritext_serve.endpoint.edge import Tracing as EdgeTracing
from tritext_serve.server import Server
from tritext_serve.tracing import Tracing

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
TEXT = "Hardly anybody would have guessed this sentence."
BODY = b'{"text": "%s"}' % TEXT.encode()
EDGE, TRITON = "tritext-edge", "triton"
SAMPLED, UNSAMPLED = "01", "00"


@dataclass(frozen=True, slots=True)
class Traced:
    """Triton and two edges, of which one samples every request and the other none."""

    collector: Collector
    server: Server
    always: RunningEdge
    never: RunningEdge


@dataclass(frozen=True, slots=True)
class Asked:
    """The trace ids of requests that were sent with a context: by whose edge, how, and whether sampled."""

    rest: str
    grpc: str
    unsampled: str
    sampled_by_the_client: str


@pytest.fixture(scope="module")
def traced(model_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traced]:
    with Collector() as collector, Health() as health:
        options = server_options(instances={"": 1}, tracing=Tracing.to(f"http://127.0.0.1:{collector.http_port}"))
        with Server(model_repository, options) as server:
            endpoint = blue_and_green(model_repository)
            upstreams = tuple(upstream_of(server, name, health) for name in ("blue", "green"))
            folders = [tmp_path_factory.mktemp(name) for name in ("always", "never")]
            tracing = [EdgeTracing("127.0.0.1", collector.grpc_port, EDGE, percent) for percent in (100.0, 0.0)]
            with (
                run_edge(folders[0], health, endpoint, upstreams, tracing=tracing[0]) as always,
                run_edge(folders[1], health, endpoint, upstreams, tracing=tracing[1]) as never,
            ):
                yield Traced(collector, server, always, never)


@pytest.fixture(scope="module")
def asked(traced: Traced) -> Asked:
    ask(traced.never)  # without a context
    unsampled, sampled_by_the_client = ask(traced.never, UNSAMPLED), ask(traced.never, SAMPLED)
    done = Asked(ask(traced.always, SAMPLED), ask_by_grpc(traced.always), unsampled, sampled_by_the_client)
    for trace in (done.rest, done.grpc):
        wait_until(lambda trace=trace: whole(traced, trace))  # type: ignore[misc]
    return done


def new_context(flags: str) -> tuple[str, str]:
    """A client's own trace: its id, and the header that says so."""
    trace = secrets.token_hex(16)
    return trace, f"00-{trace}-{secrets.token_hex(8)}-{flags}"


def ask(edge: RunningEdge, flags: str | None = None) -> str:
    """Send a request through an edge, with a context of its own if ``flags`` are given; give its trace id."""
    trace, context = new_context(flags or SAMPLED)
    headers = {"traceparent": context} if flags else {}
    status, _ = post(f"{edge.url}/predict", BODY, Content_Type="application/json", **edge.headers, **headers)
    assert status == 200
    return trace


def ask_by_grpc(edge: RunningEdge) -> str:
    """The same by gRPC."""
    trace, context = new_context(SAMPLED)
    text = tritonclient.grpc.InferInput("text", [1, 1], "BYTES")
    text.set_data_from_numpy(np.array([[TEXT.encode()]], object))
    with tritonclient.grpc.InferenceServerClient(edge.grpc) as client:
        client.infer("sentiment", [text], headers={**edge.headers, "traceparent": context})
    return trace


def whole(traced: Traced, trace: str) -> bool:
    """Whether the innermost span and all above it have come, as far as the edge; they need not come together."""
    by_id = {span.id: span for span in traced.collector.of_trace(trace)}

    def above(span: Span | None) -> Span | None:
        return by_id.get(span.parent) if span is not None else None

    tops = [above(above(above(span))) for span in by_id.values() if span.name == "compute"]
    return any(top is not None and top.service == EDGE for top in tops)


def of_triton(spans: list[Span]) -> list[Span]:
    """The spans that Triton begins a request with."""
    return [span for span in spans if (span.service, span.name) == (TRITON, "InferRequest")]


@pytest.mark.parametrize("way", ["rest", "grpc"])
def test_the_edges_spans_and_tritons_are_of_one_trace(traced: Traced, asked: Asked, way: str) -> None:
    spans = traced.collector.of_trace(getattr(asked, way))
    by_id = {span.id: span for span in spans}
    (request,) = of_triton(spans)
    assert by_id[request.parent].service == EDGE
    (model,) = [span for span in spans if span.parent == request.id]
    assert (model.service, model.name) == (TRITON, "sentiment")
    assert [span.name for span in spans if span.parent == model.id] == ["compute"]


def test_what_the_edge_does_not_sample_nobody_traces(traced: Traced, asked: Asked) -> None:
    assert asked.unsampled not in {span.trace for span in traced.collector.spans}


def test_a_request_without_a_context_is_traced_as_the_edge_samples_and_a_canary_never(
    traced: Traced, asked: Asked
) -> None:
    assert {span.trace for span in traced.collector.spans} <= {asked.rest, asked.grpc, asked.sampled_by_the_client}
    assert all(span.parent for span in of_triton(traced.collector.spans))


def test_no_span_holds_a_text_or_a_key(traced: Traced, asked: Asked) -> None:
    sent = b"".join(traced.collector.bodies)
    assert bytes.fromhex(asked.rest) in sent  # from the edge, in protobuf
    assert asked.rest.encode() in sent  # from Triton, in JSON
    assert TEXT.encode() not in sent
    assert traced.always.key.encode() not in sent


def test_tracing_cannot_be_changed_from_outside(traced: Traced) -> None:
    setting = "/v2/trace/setting"
    assert get(traced.server.http_url + setting)[0] == 403
    assert post(traced.always.url + setting, b'{"trace_rate": "1"}', **traced.always.headers)[0] == 404


def test_without_a_collector_requests_are_answered(traced: Traced, asked: Asked) -> None:
    traced.collector.stop()  # nothing after this test is traced
    assert ask(traced.always, SAMPLED) != asked.rest
    assert ask(traced.always) != asked.rest
