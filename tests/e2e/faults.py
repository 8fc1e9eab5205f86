"""The rows of bad requests as data: what is sent, what must come back, and which of the edge's counters must rise.

Row numbers are those of the list of faults that the endpoint is built against; a row has several cases.
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.e2e.raw import pack

REFUSED = "http.edge.downstream_rq_4xx"
BROKEN = "http.edge.downstream_cx_protocol_error"
ANSWERED = "http.edge.downstream_rq_2xx"
LATE = "http.edge.downstream_rq_5xx"
NO_KEY = "http.edge.api_key_auth.unauthorized"
INFER = "/v2/models/sentiment/infer"
JSON = "application/json"
OCTETS = "application/octet-stream"


@dataclass(frozen=True)
class Fault:
    """One request and its answer.

    Attributes:
        row: Its row.
        name: What is wrong.
        status: The status to come.
        code: The word in the body; "" where the answer is good or has no body.
        body: What is sent.
        path: To where.
        method: How.
        headers: Beside the key and the content type; None removes one.
        counter: The counter of Envoy's that must rise.
        says: What a good answer's JSON holds, or what is in a refusal's headers.
    """

    row: int
    name: str
    status: int
    code: str = ""
    body: bytes = b'{"text": "good"}'
    path: str = "/predict"
    method: str = "POST"
    headers: Mapping[str, str | None] = field(default_factory=dict)
    counter: str = REFUSED
    says: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Raw:
    """Bytes that no client library would send, and the statuses that may come of them.

    Attributes:
        row: Its row.
        name: What is wrong.
        status: The status to come.
        head: The lines after the request line and the key.
        body: What follows.
        line: The request line.
        counter: The counter of Envoy's that must rise.
    """

    row: int
    name: str
    status: int
    head: str = "Host: localhost\r\nContent-Length: 16\r\n"
    body: bytes = b'{"text": "good"}'
    line: str = "POST /predict HTTP/1.1"
    counter: str = REFUSED


def plain(**keys: Any) -> bytes:
    """A body for /predict."""
    return json.dumps(keys).encode()


def tensors(inputs: Any, **more: Any) -> bytes:
    """A body for infer."""
    return json.dumps({"inputs": inputs, **more}).encode()


def tensor(*texts: Any, **changes: Any) -> dict[str, Any]:
    """The input of some texts, with something changed."""
    return {"name": "text", "shape": [len(texts), 1], "datatype": "BYTES", "data": list(texts)} | changes


def binary(raw: bytes, count: int = 1, size: int | None = None, length: str | None = None) -> dict[str, Any]:
    """What asks with a binary tensor, with sizes that may lie."""
    parameters = {"binary_data_size": len(raw) if size is None else size}
    head = tensors([{"name": "text", "shape": [count, 1], "datatype": "BYTES", "parameters": parameters}])
    told = str(len(head)) if length is None else length
    return {
        "path": INFER,
        "body": head + raw,
        "headers": {"content-type": OCTETS, "inference-header-content-length": told},
    }


def _good(row: int, name: str, text: str, **says: Any) -> Fault:
    return Fault(row, name, 200, body=plain(text=text), counter=ANSWERED, says={"text": text} | says)


def _json(row: int, name: str, code: str, body: bytes, status: int = 400) -> Fault:
    return Fault(row, name, status, code, body)


def _infer(row: int, name: str, *inputs: Any, status: int = 400, code: str = "invalid_request", **more: Any) -> Fault:
    return Fault(row, name, status, code, tensors(list(inputs), **more), INFER)


def _binary(row: int, name: str, code: str, **how: Any) -> Fault:
    return Fault(row, name, 400, code, **binary(**how))


def _missing(row: int, name: str, path: str, code: str, status: int = 404, method: str = "POST") -> Fault:
    return Fault(row, name, status, code, tensors([tensor("good")]) if method == "POST" else b"", path, method)


def _encoded(name: str) -> Fault:
    return Fault(20, f"content-encoding {name}", 415, "content_encoding", headers={"content-encoding": name})


def _unkeyed(name: str, **headers: str | None) -> Fault:
    told = {key.replace("_", "-"): value for key, value in headers.items()}
    return Fault(23, name, 401, "unauthenticated", headers=told, counter=NO_KEY, says={"www-authenticate": "Bearer"})


FAULTS = (
    _good(1, "empty text", "", truncated=False),
    _json(2, "empty list", "invalid_request", plain(text=[])),
    _infer(2, "shape 0,1", tensor(shape=[0, 1])),
    _json(3, "empty body", "empty_body", b""),
    Fault(3, "empty body of infer", 400, "empty_body", b"", INFER),
    Fault(
        3,
        "empty binary body",
        400,
        "empty_body",
        b"",
        INFER,
        headers={"content-type": OCTETS, "inference-header-content-length": "0"},
    ),
    _good(5, "more than 512 tokens", "good " * 600, truncated=True, tokens=512),
    _json(5, "too long, to be refused", "unprocessable", plain(text="good " * 600, long_texts="refuse"), 422),
    _json(6, "latin-1 in JSON", "invalid_utf8", b'{"text": "caf\xe9"}'),
    _json(6, "encoded surrogate", "invalid_utf8", b'{"text": "\xed\xa0\x80"}'),
    _json(6, "overlong slash", "invalid_utf8", b'{"text": "\xc0\xaf"}'),
    _binary(6, "latin-1 in a tensor", "invalid_utf8", raw=pack(b"caf\xe9")),
    _good(7, "NUL", "a\0b"),
    _good(7, "right to left", "שלום עולם"),
    _good(7, "emoji and zero width", "\U0001f642\u200b\u200d"),
    _json(7, "lone surrogate", "invalid_utf8", b'{"text": "\\ud800"}'),
    _json(7, "surrogates the wrong way round", "invalid_utf8", b'{"text": "\\ude42\\ud83d"}'),
    _infer(8, "wrong dtype", tensor(1, datatype="INT32")),
    _infer(8, "bogus dtype", tensor("x", datatype="NONSENSE")),
    _infer(9, "rank 1", tensor("x", shape=[1])),
    _infer(9, "rank 9", tensor("x", shape=[1] * 9)),
    _infer(9, "one datum for two", tensor("x", shape=[2, 1])),
    _infer(9, "shape 2^62", tensor("x", shape=[1, 2**62])),
    _infer(10, "negative shape", tensor("x", shape=[-1, 1])),
    _infer(10, "shape 2^64", tensor("x", shape=[1, 2**64])),
    _infer(10, "shape 1.5", tensor("x", shape=[1.5, 1])),
    _json(11, "65 texts", "batch_too_large", plain(text=["x"] * 65), 413),
    _json(11, "100,000 texts", "too_large", plain(text=["x"] * 100_000), 413),
    _infer(11, "65 texts of infer", tensor(*["x"] * 65), status=413, code="batch_too_large"),
    _infer(12, "unknown input", tensor("x", name="texts")),
    _infer(12, "unknown output", tensor("x"), outputs=[{"name": "mood"}]),
    _infer(12, "an input twice", tensor("x"), tensor("x")),
    _infer(12, "unknown key", tensor("x"), sequence_id=1),
    _infer(12, "shared memory", tensor("x"), parameters={"shared_memory_region": "x"}),
    _json(13, "no JSON", "invalid_json", b"good"),
    _json(13, "cut JSON", "invalid_json", b'{"text": "good"'),
    _json(13, "trailing bytes", "invalid_json", b'{"text": "good"}}'),
    _json(13, "null", "invalid_request", b"null"),
    _json(13, "a list", "invalid_request", b"[]"),
    _json(13, "no text", "invalid_request", b"{}"),
    _json(13, "a number for a text", "invalid_request", plain(text=5)),
    _json(13, "NaN", "invalid_json", b'{"text": NaN}'),
    _json(13, "a key twice", "duplicate_key", b'{"text": "good", "text": "bad"}'),
    _infer(13, "no inputs"),
    _json(14, "depth 1,000", "too_deep", b'{"text": ' + b"[" * 1000 + b"]" * 1000 + b"}"),
    _json(14, "depth 100,000", "too_deep", b'{"text": ' + b"[" * 100_000),
    _infer(15, "30,000 outputs", tensor("x"), outputs=[{"name": "score"}] * 30_000),
    _missing(16, "unknown model", "/v2/models/nothing/infer", "model_not_found"),
    _missing(16, "unknown version", "/v2/models/sentiment/versions/99/infer", "model_not_found"),
    _missing(16, "no version", "/v2/models/sentiment/versions/abc/infer", "not_found"),
    _missing(16, "unknown variant", "/predict/nothing", "not_found"),
    _missing(16, "metadata of an unknown model", "/v2/models/nothing", "model_not_found", method="GET"),
    _missing(16, "readiness of an unknown model", "/v2/models/nothing/ready", "model_not_found", method="GET"),
    _missing(17, "escaped slashes", "/v2/models/..%2f..%2fetc/infer", "bad_request", 400),
    _missing(17, "a name of 10,000 characters", f"/v2/models/{'m' * 10_000}/infer", "not_found"),
    _missing(17, "a name with a leading dot", "/v2/models/.hidden/infer", "not_found"),
    *(
        _missing(17, f"closed: {path}", path, "not_found")
        for path in (
            *(
                "/v2/repository/index",
                "/v2/repository/models/sentiment/load",
                "/v2/systemsharedmemory/status",
                "/v2/logging",
            ),
            *("/v2/models/sentiment/stats", "/v2/models/sentiment/config", "/v2/models/sentiment/generate", "/metrics"),
        )
    ),
    *(
        Fault(17, f"method {method}", 405, "method_not_allowed", b"", method=method, says={"allow": "POST"})
        for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS")
    ),
    Fault(18, "unknown deployment", 404, "DeploymentNotFound", headers={"azureml-model-deployment": "purple"}),
    _binary(19, "size more than there is", "invalid_request", raw=pack(b"x"), size=1000),
    _binary(19, "size 2^40", "invalid_request", raw=pack(b"x"), size=2**40),
    _binary(19, "negative size", "invalid_request", raw=pack(b"x"), size=-1),
    _binary(19, "a text longer than the tensor", "invalid_request", raw=struct.pack("<I", 9) + b"good"),
    _binary(19, "a length of three bytes", "invalid_request", raw=b"\x01\0\0"),
    _binary(19, "two texts for one", "invalid_request", raw=pack(b"x", b"y")),
    _binary(19, "header longer than the body", "invalid_request", raw=pack(b"x"), length="100000"),
    _binary(19, "header length no number", "invalid_request", raw=pack(b"x"), length="abc"),
    _binary(19, "header length negative", "invalid_request", raw=pack(b"x"), length="-1"),
    _encoded("gzip"),
    _encoded("br"),
    _encoded("deflate"),
    _encoded("gzip, identity"),
    Fault(20, "content type text", 415, "unsupported_media_type", headers={"content-type": "text/plain"}),
    Fault(22, "a header of 9 KB", 431, "headers_too_large", headers={"x-long": "x" * 9000}),
    Fault(22, "a query of 9 KB", 431, "headers_too_large", path="/predict?" + "x" * 9000),
    _unkeyed("no key", authorization=None),
    _unkeyed("wrong key", authorization="Bearer wrong"),
    _unkeyed("empty key", authorization="Bearer"),
    _unkeyed("another scheme", authorization="Basic Og=="),
    _unkeyed("key in another header", authorization=None, x_api_key="primary-" + "k" * 35),
    Fault(
        25, "too late", 504, "deadline_exceeded", tensors([tensor("x")], parameters={"timeout": 1}), INFER, counter=LATE
    ),
)

_KEYED = "Host: localhost\r\nContent-Length: 16\r\n"
RAW = (
    Raw(17, "dots in the path", 404, line="POST /v2/../quitquitquit HTTP/1.1"),
    Raw(17, "a line end in the path", 426, line="POST /predict\r\nX: y HTTP/1.1", body=b""),
    Raw(22, "length and chunks", 400, head=_KEYED + "Transfer-Encoding: chunked\r\n", counter=BROKEN),
    Raw(22, "two lengths", 400, head=_KEYED + "Content-Length: 5\r\n", counter=BROKEN),
    Raw(22, "a NUL in a header", 400, head=_KEYED + "X: a\0b\r\n", counter=BROKEN),
    Raw(22, "no host", 400, head="Content-Length: 16\r\n"),
    Raw(22, "HTTP/1.0", 426, line="POST /predict HTTP/1.0", head="Host: localhost\r\n", body=b""),
    Raw(22, "100 headers", 431, head=_KEYED + "".join(f"H{n}: x\r\n" for n in range(100)), counter=BROKEN),
    Raw(22, "an underscore", 400, head=_KEYED + "x_admin: 1\r\n"),
    Raw(22, "a header of 20 KB", 431, head=_KEYED + f"X: {'x' * 20_000}\r\n", counter=BROKEN),
    Raw(22, "a method that is none", 400, line="P(ST /predict HTTP/1.1", counter=BROKEN),
    Raw(23, "a key in two headers", 401, head=_KEYED + "Authorization: Bearer wrong\r\n"),
)
