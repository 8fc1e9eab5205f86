"""Requests that nobody should send: valid ones, changed at random but the same every time. Pure: numbers in, bytes out.

A case is made from the seed and its own number alone, so that the number reproduces it. Those that keep HTTP's framing
can share a connection; the others need one of their own.
"""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tests.e2e.oddities import CHUNK_SIZES, HEADERS, METHODS, STRANGE_BYTES, STRANGE_VALUES, TARGETS, VERSIONS

HTTP = "HTTP/1.1"
SEED = 20_261_122
EXCLUSIVE_EVERY = 4
DOUBLE = 0.4

Body = tuple[str, bytes, str]
PLAIN: tuple[Any, ...] = (
    {"text": "good"},
    {"text": "bad film"},
    {"text": ["good", "bad film"]},
    {"text": "good", "long_texts": "window", "window_stride": 8, "window_pooling": "max"},
    {"text": "caf\u00e9 \U0001f642"},
)
TENSORS: tuple[Any, ...] = (
    {"inputs": [{"name": "text", "shape": [1, 1], "datatype": "BYTES", "data": ["good"]}]},
    {
        "id": "one",
        "inputs": [{"name": "text", "shape": [2, 1], "datatype": "BYTES", "data": ["good", "bad film"]}],
        "outputs": [{"name": "label_id"}, {"name": "scores", "parameters": {"classification": 2}}],
        "parameters": {"long_texts": "truncate"},
    },
)


@dataclass(frozen=True)
class Case:
    """One request.

    Attributes:
        number: What reproduces it.
        kind: Which change was made, for counting.
        raw: The bytes to send.
        body: What the server should see as the body, where the framing was kept; else None.
        plain: Whether it asks ``/predict``, so that ``oracle.judge_plain`` knows what the body deserves.
    """

    number: int
    kind: str
    raw: bytes
    body: bytes | None = None
    plain: bool = False


def cases(count: int, key: str) -> Iterator[Case]:
    """Draw cases that differ from each other by more than their numbers.

    Args:
        count: How many.
        key: One of the endpoint's keys.
    """
    seen: set[bytes] = set()
    number = 0
    while len(seen) < count:
        case = make(number, key)
        content = case.raw.replace(f"case-{number}\r".encode(), b"")
        if content not in seen:
            seen.add(content)
            yield case
        number += 1


def make(number: int, key: str, seed: int = SEED) -> Case:
    """Make a case from its number.

    Args:
        number: Every fourth breaks HTTP itself, the others its body only.
        key: One of the endpoint's keys.
        seed: Another seed gives other cases.
    """
    draw = random.Random(f"{seed}:{number}")
    if number % EXCLUSIVE_EVERY == 0:
        kind = draw.choice(sorted(FRAMINGS))
        return Case(number, kind, FRAMINGS[kind](draw, number, key))
    kind = draw.choices(list(BODIES), weights=[weight for _, weight in BODIES.values()])[0]
    path, valid = _valid(draw)
    body = BODIES[kind][0](draw, valid)
    if draw.random() < DOUBLE:
        body = _damage(draw, body)
    raw = _request(number, key, path, body)
    return Case(number, kind, raw, body, plain=path == "/predict")


def _valid(draw: random.Random) -> tuple[str, Any]:
    if draw.random() < 0.7:
        return "/predict", draw.choice(PLAIN)
    return "/v2/models/sentiment/infer", draw.choice(TENSORS)


def _request(number: int, key: str, path: str, body: bytes, more: str = "") -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
        f"X-Request-Id: case-{number}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    )
    return head.encode("utf-8", "surrogatepass") + body


def _text(value: Any) -> bytes:
    """JSON, of lone surrogates too, which stay escaped."""
    return json.dumps(value, separators=(",", ":")).encode()


def _damage(draw: random.Random, body: bytes) -> bytes:
    """Change what has been changed already."""
    at = draw.randrange(len(body) + 1)
    return body[:at] + draw.choice(STRANGE_BYTES) + body[at + draw.choice((0, 0, 1, 3)) :]


def _insert(draw: random.Random, valid: Any) -> bytes:
    raw = json.dumps(valid, ensure_ascii=False).encode()
    at = draw.randrange(len(raw) + 1)
    return raw[:at] + draw.choice(STRANGE_BYTES) + raw[at:]


def _delete(draw: random.Random, valid: Any) -> bytes:
    raw = _text(valid)
    at = draw.randrange(len(raw))
    return raw[:at] + raw[at + draw.choice((1, 1, 2, 5)) :]


def _flip(draw: random.Random, valid: Any) -> bytes:
    raw = bytearray(_text(valid))
    for _ in range(draw.choice((1, 1, 2, 4))):
        raw[draw.randrange(len(raw))] ^= 1 << draw.randrange(8)
    return bytes(raw)


def _cut(draw: random.Random, valid: Any) -> bytes:
    raw = _text(valid)
    return raw[: draw.randrange(len(raw))]


def _splice(draw: random.Random, valid: Any) -> bytes:
    one, other = _text(valid), _text(draw.choice(PLAIN + TENSORS))
    return one[: draw.randrange(len(one))] + other[draw.randrange(len(other)) :]


def _retype(draw: random.Random, valid: Any) -> bytes:
    """Put a strange value somewhere in it."""
    return _text(_replaced(draw, valid))


def _replaced(draw: random.Random, value: Any) -> Any:
    if isinstance(value, dict) and value and draw.random() < 0.85:
        name = draw.choice(sorted(value))
        return value | {name: _replaced(draw, value[name])}
    if isinstance(value, list) and value and draw.random() < 0.6:
        at = draw.randrange(len(value))
        return [*value[:at], _replaced(draw, value[at]), *value[at + 1 :]]
    return draw.choice(STRANGE_VALUES)


def _rekey(draw: random.Random, valid: Any) -> bytes:
    """Add, rename or repeat a key."""
    names = ("Text", "text ", "texts", "", "parameters", "id", "timeout", "__proto__", "model_name", "text\0x")
    how = draw.randrange(3)
    if how == 0:
        return _text(valid | {draw.choice(names): draw.choice(STRANGE_VALUES)})
    first, *rest = valid.items()
    if how == 1:
        return _text(dict([(draw.choice(names), first[1]), *rest]))
    return b"{" + _text(first[0]) + b":" + _text(first[1]) + b"," + _text(valid)[1:]


def _nest(draw: random.Random, valid: Any) -> bytes:
    depth = draw.randrange(1, draw.choice((40, 40, 3000)))
    opening, closing = draw.choice(((b"[", b"]"), (b'{"text":', b"}")))
    return b'{"text":' + opening * depth + b'"good"' + closing * depth + b"}"


def _blank(draw: random.Random, valid: Any) -> bytes:
    """Surround what is valid by white space, which changes nothing, or by what looks like it."""
    spaces = (b" ", b"\n", b"\t\r\n", b"   ", b" " * 300, b"\x0b", b"\x0c", b"\xc2\xa0", b"\0", b"\xef\xbb\xbf")
    before, behind = (b"".join(draw.choices(spaces[:5], k=draw.randrange(5))) for _ in range(2))
    odd = draw.choice(spaces) if draw.random() < 0.5 else b""
    return before + odd + _text(valid) + behind


BODIES: dict[str, tuple[Callable[[random.Random, Any], bytes], int]] = {
    "insert": (_insert, 6),
    "flip": (_flip, 6),
    "splice": (_splice, 6),
    "retype": (_retype, 4),
    "delete": (_delete, 3),
    "rekey": (_rekey, 3),
    "cut": (_cut, 2),
    "nest": (_nest, 1),
    "blank": (_blank, 1),
}


def _method(draw: random.Random, number: int, key: str) -> bytes:
    return _line(draw, number, key, method=draw.choice(METHODS))


def _target(draw: random.Random, number: int, key: str) -> bytes:
    return _line(draw, number, key, target=draw.choice(TARGETS))


def _version(draw: random.Random, number: int, key: str) -> bytes:
    return _line(draw, number, key, version=draw.choice(VERSIONS))


def _line(
    draw: random.Random,
    number: int,
    key: str,
    method: str = "POST",
    target: str = "/predict",
    version: str = "HTTP/1.1",
) -> bytes:
    raw = _request(number, key, "/predict", _text(draw.choice(PLAIN)))
    return f"{method} {target} {version}".encode() + raw[raw.index(b"\r\n") :]


def _header(draw: random.Random, number: int, key: str) -> bytes:
    more = "".join(line + "\r\n" for line in draw.sample(HEADERS, draw.choice((1, 1, 1, 2, 3))))
    return _request(number, key, "/predict", _text(draw.choice(PLAIN)), more)


def _missing(draw: random.Random, number: int, key: str) -> bytes:
    """Leave a line of the head out, or end the lines otherwise."""
    head, _, body = _request(number, key, "/predict", _text(draw.choice(PLAIN))).partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    lines.pop(draw.randrange(len(lines)))
    ending = draw.choice((b"\r\n", b"\r\n", b"\n", b"\r"))
    return ending.join(lines) + ending * 2 + body


def _length(draw: random.Random, number: int, key: str) -> bytes:
    raw = _request(number, key, "/predict", _text(draw.choice(PLAIN)))
    lie = draw.choice((b"0", b"1", b"10000", b"1048577", b"4294967297", b"18446744073709551617", b"", b"a", b"-5"))
    at = raw.index(b"Content-Length: ") + len(b"Content-Length: ")
    return raw[:at] + lie + raw[raw.index(b"\r\n", at) :]


def _chunked(draw: random.Random, number: int, key: str) -> bytes:
    """Send the body in chunks, one of which has a size that it should not have."""
    raw = _request(number, key, "/predict", b"", "Transfer-Encoding: chunked\r\n")
    raw = raw.replace(b"Content-Length: 0\r\n", b"")
    body = _text(draw.choice(PLAIN))
    cuts = sorted({0, len(body), *(draw.randrange(len(body)) for _ in range(draw.choice((0, 1, 4))))})
    parts = [body[start:end] for start, end in pairwise(cuts)]
    sizes = [f"{len(part):x}" for part in parts]
    if draw.random() < 0.8:
        sizes[draw.randrange(len(sizes))] = draw.choice(CHUNK_SIZES)
    end = draw.choice(("0\r\n\r\n", "0\r\n\r\n", "0\r\nTrailer: x\r\n\r\n", "0\r\nContent-Length: 3\r\n\r\n", ""))
    return raw + b"".join(s.encode() + b"\r\n" + p + b"\r\n" for s, p in zip(sizes, parts, strict=True)) + end.encode()


def _bytes(draw: random.Random, number: int, key: str) -> bytes:
    """Change any byte of the whole."""
    raw = bytearray(_request(number, key, "/predict", _text(draw.choice(PLAIN))))
    for _ in range(draw.choice((1, 2, 8))):
        raw[draw.randrange(len(raw))] = draw.randrange(256)
    return bytes(raw)


def _early_end(draw: random.Random, number: int, key: str) -> bytes:
    raw = _request(number, key, "/predict", _text(draw.choice(PLAIN)))
    return raw[: draw.randrange(1, len(raw))]


def _noise(draw: random.Random, number: int, key: str) -> bytes:
    """Send what is no HTTP/1.1: a TLS greeting, HTTP/2's preface and some frames, any bytes."""
    start = draw.choice((b"", b"\x16\x03\x01\x02\x00", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
    if draw.random() < 0.5:
        return start + draw.randbytes(draw.randrange(1, 400))
    frames = (draw.randbytes(draw.randrange(64)) for _ in range(4))
    return start + b"".join(
        len(f).to_bytes(3, "big") + bytes((draw.randrange(12), draw.randrange(256))) + b"\0\0\0\1" + f for f in frames
    )


def _binary(draw: random.Random, number: int, key: str) -> bytes:
    """KServe's binary tensors with sizes that lie."""
    sizes = (0, 1, 4, 7, 8, 9, 1000, 2**31, 2**32, 2**40, -1)
    size, data = draw.choice(sizes), draw.choice((4, 0, 5, 2**31, 2**32 - 1)).to_bytes(4, "little") + b"good"
    tensor = {"name": "text", "shape": [1, 1], "datatype": "BYTES", "parameters": {"binary_data_size": size}}
    head = _text({"inputs": [tensor]})
    true = len(head)
    lie = draw.choice((str(true), str(true), "0", str(true + 3), str(true - 1), "x", "-1", "1e3", str(2**40), ""))
    more = f"Inference-Header-Content-Length: {lie}\r\n"
    raw = _request(number, key, "/v2/models/sentiment/infer", head + data, more)
    return raw.replace(b"application/json", b"application/octet-stream")


FRAMINGS: dict[str, Callable[[random.Random, int, str], bytes]] = {
    "method": _method,
    "target": _target,
    "version": _version,
    "header": _header,
    "missing": _missing,
    "length": _length,
    "chunked": _chunked,
    "bytes": _bytes,
    "early end": _early_end,
    "noise": _noise,
    "binary": _binary,
}
