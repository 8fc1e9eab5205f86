"""An OpenTelemetry collector that keeps what it is sent: OTLP over HTTP, in JSON and protobuf, and over gRPC."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as messages
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as services

LOOPBACK = "127.0.0.1"


class Span(NamedTuple):
    """A span, its ids in hexadecimal; ``parent`` is "" for the first of a trace."""

    service: str
    name: str
    trace: str
    id: str
    parent: str


class Collector:
    """Listens on two ports of loopback."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.bodies: list[bytes] = []
        self._lock = threading.Lock()
        self._http = _Quiet((LOOPBACK, 0), _handler(self))
        self._grpc = grpc.server(ThreadPoolExecutor(2))
        services.add_TraceServiceServicer_to_server(_Service(self), self._grpc)  # type: ignore[no-untyped-call]
        self.http_port = int(self._http.server_address[1])
        self.grpc_port = int(self._grpc.add_insecure_port(f"{LOOPBACK}:0"))

    def of_trace(self, trace: str) -> list[Span]:
        """The spans of one trace, so far."""
        with self._lock:
            return [span for span in self.spans if span.trace == trace]

    def take(self, body: bytes, spans: Iterator[Span]) -> None:
        """Keep what has come."""
        with self._lock:
            self.bodies.append(body)
            self.spans.extend(spans)

    def __enter__(self) -> "Collector":
        """Listen."""
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        self._grpc.start()
        return self

    def __exit__(self, *failure: object) -> None:
        """Listen no more."""
        self.stop()

    def stop(self) -> None:
        """Listen no more; safe to call twice."""
        self._http.shutdown()
        self._http.server_close()
        self._grpc.stop(None).wait()


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Say nothing of a sender that has gone."""


class _Service(services.TraceServiceServicer):
    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802  # the protocol's name
        self._collector.take(request.SerializeToString(), _of_message(request))
        return messages.ExportTraceServiceResponse()


def _handler(collector: Collector) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self._body()
            if self.path != "/v1/traces":
                self.send_error(404)
                return
            if self.headers["Content-Type"] == "application/json":
                collector.take(body, _of_json(json.loads(body)))
            else:
                collector.take(body, _of_message(messages.ExportTraceServiceRequest.FromString(body)))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _body(self) -> bytes:
            if "Content-Length" in self.headers:
                return self.rfile.read(int(self.headers["Content-Length"]))
            chunks = []
            while size := int(self.rfile.readline(), 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(chunks)

        def log_message(self, *words: object) -> None:
            """Say nothing."""

    return Handler


def _of_message(request: Any) -> Iterator[Span]:
    for resource in request.resource_spans:
        named = {each.key: each.value.string_value for each in resource.resource.attributes}
        for span in (span for scope in resource.scope_spans for span in scope.spans):
            ids = (span.trace_id, span.span_id, span.parent_span_id)
            yield Span(named["service.name"], span.name, *(each.hex() for each in ids))


def _of_json(request: dict[str, Any]) -> Iterator[Span]:
    for resource in request["resourceSpans"]:
        named = {each["key"]: each["value"]["stringValue"] for each in resource["resource"]["attributes"]}
        for span in (span for scope in resource["scopeSpans"] for span in scope["spans"]):
            parent = span.get("parentSpanId", "")
            yield Span(named["service.name"], span["name"], span["traceId"], span["spanId"], parent)
