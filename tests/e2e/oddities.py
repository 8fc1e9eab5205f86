"""What is odd in requests: values, bytes, methods, targets, versions, headers, sizes of chunks. Pure data."""

from typing import Any

# fmt: off

STRANGE_VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, 2**31, 2**63, 2**64, -(2**63), 10**400, 1e308, "", "\0", "good", "\ud800", "\udc00\ud800",
    [], {}, [[]], [None], [1], ["good", 1], [["good"]], {"text": "good"}, {"": ""}, "x" * 2000, ["good"] * 65,
)

STRANGE_BYTES = (
    b"\0", b"\x80", b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xef\xbb\xbf", b"\x7f", b"\x1f",
    b'"', b"\\", b"\\u", b"\\ud800", b"\\udc00", b"\\x41", b"\\u0000", b"{", b"}", b"[", b"]", b",", b":", b" ",
    b"\r\n", b"NaN", b"Infinity", b"-", b"00", b"1e999", b"1.", b".5", b"+1", b"0x1", b"null", b"true", b"tru", b"//",
    b"/**/", b"[" * 40, b'{"a":' * 40, b'"text":"good",', b'{"text":"good"}', b"'good'", b"\xe2\x80\xa8", b"\x0b",
    b"\xc2\xa0",
)

METHODS = (
    "GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PATCH", "PRI", "post", "POST ", "PO\0ST", "P(ST",
    "", "PROPFIND", "X" * 300, "\u00e9",
)

TARGETS = (
    "/", "/predict/", "/predict/../predict", "/predict%2f..%2fv2", "/%70redict", "/predict?x=1", "/predict#x",
    "//predict", "/v2/models/sentiment/infer", "/v2/models/%2e%2e/infer", "/v2/models/..%2f..%2f/infer",
    "/v2/models/a\0b/infer", "/v2/models/" + "m" * 65 + "/infer", "/v2/models/" + "m" * 10_000 + "/infer",
    "/v2/models/sentiment/versions/abc/infer", "/v2/models/sentiment/versions/99999999999999999999/infer",
    "/v2/models/sentiment/versions/-1/infer", "/v2/repository/index", "/v2/repository/models/sentiment/unload",
    "/v2/systemsharedmemory/status", "/v2/trace/setting", "/v2/models/sentiment/generate",
    "/v2/models/sentiment/generate_stream", "/v2/models/sentiment/stats", "/metrics",
    "http://example.invalid/predict", "example.invalid:443", "*", "predict", "\\predict", "/predict\u00e9",
    "/predict\t", "", "/predict/nothing", "/predict/" + "v" * 500, "/score", "/health/live", "/v2/health/ready",
    "/quitquitquit", "/%00", "/%",
)

VERSIONS = (
    "HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/1.2", "HTTP/9.9", "HTTP/1.1 ", "http/1.1", "HTTP/1.", "HTTP", "",
    "ICY/1.1",
)

HEADERS = (
    "Content-Encoding: gzip", "Content-Encoding: identity", "Content-Encoding: br, gzip", "Content-Type: text/plain",
    "Content-Type:", "Content-Type: application/json; charset=latin-1", "Content-Type: multipart/form-data",
    "Expect: 100-continue", "Expect: 200-ok", "Connection: close", "Connection: upgrade\r\nUpgrade: h2c",
    "Connection: Authorization", "Upgrade: websocket", "Content-Length: 5", "Content-Length: -1",
    "Content-Length: +5", "Content-Length: 0x5", "Content-Length: 99999999999999999999", "Content-Length: 5, 5",
    "Content-Length: 1e1", "Transfer-Encoding: chunked", "Transfer-Encoding: identity", "Transfer-Encoding: gzip",
    "Transfer-Encoding: chunked, chunked", "Transfer-Encoding : chunked", "Transfer-Encoding: \x0bchunked",
    "Host: other", "Host:", "Authorization: Bearer wrong", "Authorization: Basic Og==", "Authorization:",
    "Authorization: Bearer", "X-Api-Key: x", "X_Admin: 1", "azureml-model-deployment: nowhere",
    "azureml-model-deployment:", "x-request-id: " + "r" * 5000, "x-request-id: a b\tc",
    "x-envoy-upstream-rq-timeout-ms: 1", "x-envoy-max-retries: 99", "x-envoy-original-path: /v2",
    "x-forwarded-for: ::1", "Inference-Header-Content-Length: 10", "Inference-Header-Content-Length: x",
    "Inference-Header-Content-Length: -1", "Inference-Header-Content-Length: 99999999", "grpc-timeout: 1n",
    "te: trailers", "Range: bytes=0-1", "Cookie: " + "c" * 9000, ": authority", "NoColon", " Folded: x", "\tFolded",
    "Bad Name: x", "Null: a\0b", "Null\0: a", "High: \u00e9", "Cr: a\rb", "X: " + "x" * 20_000,
    "\r\n".join(f"H{n}: {n}" for n in range(120)),
)

CHUNK_SIZES = (
    "0", "5", "-1", "+5", "0x5", "g", "", " ", "5 ", "5;a=b", "5;" + "e" * 5000, "ffffffff", "ffffffffffffffff",
    "1" * 17, "00005",
)
