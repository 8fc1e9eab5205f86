"""Triton's two front doors on loopback, in this process: real sockets and real protocols, with an invented model.

For what a transport does on the wire. What it does is scripted by the text: ``refuse:503:words``,
``sleep:0.5``, and over gRPC ``short`` for an answer without its bytes.
"""

import json
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import deserialize_bytes_tensor, np_to_triton_dtype, serialize_byte_tensor

from tests.client.fake_transport import arrays
from tritext._transports.base import Array, Call


class RefusalError(Exception):
    """What a text like ``refuse:503:Exceeds maximum queue size`` asks for."""

    def __init__(self, status: str, words: str) -> None:
        super().__init__(words)
        self.status = status
        self.words = words


def answer(call: Call) -> dict[str, Array]:
    """Act as the first text says: refuse, sleep, or answer."""
    verb, _, rest = call.texts[0].partition(":")
    if verb == "refuse":
        raise RefusalError(*rest.split(":", 1))
    if verb == "sleep":
        time.sleep(float(rest))
    return arrays(call)


class FakeHttp:
    """An HTTP server; ``requests`` holds the path, the headers and the JSON of each request it got.

    Args:
        raw: Answer every inference with these bytes, status 200.
        context: To serve TLS.
    """

    def __init__(self, raw: bytes | None = None, context: ssl.SSLContext | None = None) -> None:
        self.raw = raw
        self.ready_status = 200
        self.headers: dict[str, str] = {}
        self.requests: list[tuple[str, dict[str, str], Any]] = []
        fake = self

        class Handler(_HttpHandler):
            server_side = fake

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def last_pairs(self) -> tuple[str, ...]:
        """The second texts of the last request."""
        tensor = self.requests[-1][2]["inputs"][1]
        return tuple(tensor["data"]) if tensor["name"] == "text_pair" else ()

    def __enter__(self) -> "FakeHttp":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _HttpHandler(BaseHTTPRequestHandler):
    server_side: FakeHttp
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self.server_side.requests.append((self.path, self._headers(), None))
        if "/models/sentiment/" in self.path:
            return self._reply(self.server_side.ready_status, b"")
        return self._reply(400, b'{"error":"Model version not ready"}')

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server_side.requests.append((self.path, self._headers(), body))
        if self.server_side.raw is not None:
            return self._reply(200, self.server_side.raw)
        try:
            outputs = answer(_http_call(body))
        except RefusalError as refusal:
            page = refusal.words.startswith("<")
            words = refusal.words.encode() if page else json.dumps({"error": refusal.words}).encode()
            return self._reply(int(refusal.status), words)
        document = {
            "model_name": "sentiment",
            "model_version": "7",
            "outputs": [_http_output(*o) for o in outputs.items()],
        }
        return self._reply(200, json.dumps(document).encode())

    def log_message(self, *words: object) -> None:
        """Stay silent."""

    def _headers(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.headers.items()}

    def _reply(self, status: int, content: bytes) -> None:
        self.send_response(status)
        for name, value in {"content-length": str(len(content)), **self.server_side.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


def _http_call(body: Any) -> Call:
    outputs = tuple(output["name"] for output in body["outputs"])
    count = body["outputs"][0]["parameters"].get("classification", 0)
    return Call("sentiment", "", tuple(body["inputs"][0]["data"]), outputs, 1.0, count)


def _http_output(name: str, array: Array) -> dict[str, Any]:
    values = array.reshape(-1).tolist()
    data = [value.decode() if isinstance(value, bytes) else value for value in values]
    return {"name": name, "datatype": np_to_triton_dtype(array.dtype), "shape": list(array.shape), "data": data}


class FakeGrpc(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]  # the generated class has no types
    """A gRPC server; ``requests`` holds each request and its metadata.

    Args:
        credentials: To serve TLS.
        port: Where to listen; 0 for any free port.
    """

    def __init__(self, credentials: grpc.ServerCredentials | None = None, port: int = 0) -> None:
        self.requests: list[tuple[Any, dict[str, str], float | None]] = []
        self._server = grpc.server(ThreadPoolExecutor(8))
        service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(self, self._server)
        address = f"127.0.0.1:{port}"
        if credentials is None:
            self.port = self._server.add_insecure_port(address)
        else:
            self.port = self._server.add_secure_port(address, credentials)

    @property
    def last_pairs(self) -> tuple[str, ...]:
        """The second texts of the last request."""
        request = self.requests[-1][0]
        raw = request.raw_input_contents[1] if request.inputs[1].name == "text_pair" else b""
        return tuple(text.decode() for text in deserialize_bytes_tensor(raw))

    def __enter__(self) -> "FakeGrpc":
        self._server.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.stop(0).wait()

    def ModelReady(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Only ``sentiment`` is ready."""
        self._note(request, context)
        return service_pb2.ModelReadyResponse(ready=request.name == "sentiment")

    def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Answer, or refuse with the status that the text names."""
        self._note(request, context)
        call = _grpc_call(request)
        try:
            outputs = answer(call)
        except RefusalError as refusal:
            return context.abort(getattr(grpc.StatusCode, refusal.status), refusal.words)
        response = service_pb2.ModelInferResponse(model_name="sentiment", model_version="7")
        for name, array in outputs.items():
            datatype = np_to_triton_dtype(array.dtype)
            response.outputs.add(name=name, datatype=datatype, shape=array.shape)
            raw = serialize_byte_tensor(array).item() if datatype == "BYTES" else array.tobytes()
            response.raw_output_contents.append(b"" if call.texts[0] == "short" else raw)
        return response

    def _note(self, request: Any, context: Any) -> None:
        self.requests.append((request, dict(context.invocation_metadata()), context.time_remaining()))


def _grpc_call(request: Any) -> Call:
    texts = tuple(text.decode() for text in deserialize_bytes_tensor(request.raw_input_contents[0]))
    outputs = tuple(output.name for output in request.outputs)
    count = request.outputs[0].parameters["classification"].int64_param
    return Call(request.model_name, request.model_version, texts, outputs, 1.0, int(count))
