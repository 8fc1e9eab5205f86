"""The Lua that reads bodies against Python's own JSON: the same bytes pass both, and pass unchanged."""

import json
from typing import Any

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.serve.endpoint.edge.conftest import Pair

SAME_PAIR = settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
HEADERS = {"content-type": "application/json"}
MALFORMED = {"invalid_json", "invalid_utf8", "duplicate_key", "empty_body"}
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4))
NOT_UTF8 = [b"\xff", b"\xc3", b"\xe2\x82", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\x80", b"\xef\xbb\xbf"]
SIGNS = [bytes([sign]) for sign in b"\0\x1f\x0b\n \\\"[]{},:0-.e+/'"]
WORDS = [b"\\u", b"\\ud800", b"\\udc00", b"nul", b"true", b"NaN", b"Infinity", b"//"]
BITS = st.sampled_from(NOT_UTF8 + SIGNS + WORDS)


def post(pair: Pair, body: bytes) -> str:
    """Send a body; give the code of the refusal, "" where there is none."""
    answer = pair.client.post("/predict", content=body, headers=HEADERS)
    assert answer.status_code < 500, answer.text
    return str(answer.headers.get("x-error-code", ""))


def is_json(body: bytes) -> bool:
    """Judge a body as RFC 8259 has it: UTF-8, whole characters, no key twice, no NaN."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError("a key twice")
        return dict(pairs)

    def none(name: str) -> None:
        raise ValueError(name)

    try:
        json.dumps(json.loads(body.decode(), object_pairs_hook=once, parse_constant=none), ensure_ascii=False).encode()
    except ValueError:
        return False
    return True


@SAME_PAIR
@given(
    texts=TEXTS | st.lists(TEXTS, min_size=1, max_size=5),
    ascii_only=st.booleans(),
    indent=st.none() | st.integers(0, 2),
)
def test_every_text_arrives_as_it_was_sent(
    pair: Pair, texts: str | list[str], ascii_only: bool, indent: int | None
) -> None:
    body = json.dumps({"text": texts}, ensure_ascii=ascii_only, indent=indent).encode()
    assert post(pair, body) == ""
    assert pair.blue.asked[-1].body == body


@SAME_PAIR
@given(value=VALUES, ascii_only=st.booleans())
def test_valid_json_is_never_called_malformed(pair: Pair, value: Any, ascii_only: bool) -> None:
    assert post(pair, json.dumps(value, ensure_ascii=ascii_only).encode()) not in MALFORMED


@SAME_PAIR
@given(value=VALUES, data=st.data())
def test_malformed_is_what_python_calls_so(pair: Pair, value: Any, data: st.DataObject) -> None:
    body = json.dumps({"text": value, "a": [value]}, ensure_ascii=data.draw(st.booleans())).encode()
    at, gone = data.draw(st.integers(0, len(body))), data.draw(st.integers(0, 2))
    body = body[:at] + data.draw(BITS) + body[at + gone :]
    code = post(pair, body)
    if is_json(body):
        assert code not in MALFORMED
    else:
        assert code in MALFORMED | {"invalid_request"}  # a key or a number that is too long ends the reading at once


def test_what_is_bounded(pair: Pair) -> None:
    for body, code in (
        (b'{"text": ' + b"[" * 31 + b"]" * 31 + b"}", "invalid_request"),
        (b'{"text": ' + b"[" * 32 + b"]" * 32 + b"}", "too_deep"),
        (b'{"text": [' + b"0," * 70_000 + b"0]}", "too_large"),
        (b'{"text": "a", "' + b"k" * 65 + b'": 1}', "invalid_request"),
        (b'{"text": ' + b"9" * 41 + b"}", "invalid_request"),
        (b"[" * 500_000, "too_deep"),
        (b'{"text": "' + b"a" * 1_000_000 + b'"}', ""),
        (json.dumps({"text": ["a"] * 64}).encode(), ""),
        (json.dumps({"text": ["a"] * 65}).encode(), "batch_too_large"),
    ):
        assert post(pair, body) == code, body[:40]


def infer(**changes: Any) -> bytes:
    """KServe's request, with changes."""
    tensor = {"name": "text", "shape": [1, 1], "datatype": "BYTES", "data": ["a"]}
    return json.dumps({"inputs": [tensor | changes.pop("tensor", {})]} | changes).encode()


def test_kserves_requests_are_checked(pair: Pair) -> None:
    for body, code in (
        (infer(), ""),
        (infer(id="x", parameters={"timeout": 5}, outputs=[{"name": "label"}]), ""),
        (infer(inputs=[]), "invalid_request"),
        (infer(inputs=[{}] * 9), "invalid_request"),
        (infer(outputs=[{"name": "a"}] * 64), ""),
        (infer(outputs=[{"name": "a"}] * 65), "invalid_request"),
        (infer(tensor={"shape": [-1, 1]}), "invalid_request"),
        (infer(tensor={"shape": [1.5]}), "invalid_request"),
        (infer(tensor={"shape": [1, 2**31]}), "invalid_request"),
        (infer(tensor={"shape": [1, 2**64]}), "invalid_request"),
        (infer(tensor={"shape": [1] * 9}), "invalid_request"),
        (infer(tensor={"shape": [65, 1]}), "batch_too_large"),
        (infer(tensor={"name": 1}), "invalid_request"),
        (infer(tensor={"datatype": None}), "invalid_request"),
        (infer(tensor={"datatype": "B" * 17}), "invalid_request"),
        (infer(tensor={"parameters": {"shared_memory_region": "x"}}), "invalid_request"),
        (infer(parameters={"sequence_id": 1}), "invalid_request"),
        (infer(parameters={"timeout": [1]}), "invalid_request"),
        (infer(extra=1), "invalid_request"),
    ):
        answer = pair.client.post("/v2/models/sentiment/infer", content=body, headers=HEADERS)
        assert answer.headers.get("x-error-code", "") == code, body


def test_the_binary_extension_is_bounded_by_the_body(pair: Pair) -> None:
    told = {"name": "text", "shape": [1, 1], "datatype": "BYTES", "parameters": {"binary_data_size": 4}}
    head = json.dumps({"inputs": [told]}).encode()
    for length, code in (
        (str(len(head)), ""),
        (str(len(head) + 4), "invalid_json"),
        (str(len(head) + 5), "invalid_request"),
        ("1099511627776", "invalid_request"),
        ("many", "invalid_request"),
        ("-1", "invalid_request"),
        ("0", "invalid_json"),
    ):
        headers = {"inference-header-content-length": length, "content-type": "application/octet-stream"}
        answer = pair.client.post("/v2/models/sentiment/infer", content=head + b"\0\0\0\0", headers=headers)
        assert answer.headers.get("x-error-code", "") == code, length


@pytest.mark.parametrize(
    ("raw", "shape", "size", "code"),
    [
        (b"\1\0\0\0a\2\0\0\0bb", [2, 1], 11, ""),
        (b"\1\0\0\0a", [1, 1], 4, "invalid_request"),
        (b"\1\0\0\0a", [1, 1], 6, "invalid_request"),
        (b"\1\0\0\0a", [1, 1], 2**40, "invalid_request"),
        (b"\1\0\0\0a", [1, 1], "5", "invalid_request"),
        (b"\1\0\0\0a", [2, 1], 5, "invalid_request"),
        (b"\2\0\0\0a", [1, 1], 5, "invalid_request"),
        (b"\xff\xff\xff\xffa", [1, 1], 5, "invalid_request"),
        (b"\1\0\0", [1, 1], 3, "invalid_request"),
        (b"\1\0\0\0a", [0, 1], 5, "invalid_request"),
        (b"", [0, 1], 0, ""),
    ],
)
def test_a_raw_tensor_of_texts_is_what_its_shape_says(
    pair: Pair, raw: bytes, shape: list[int], size: Any, code: str
) -> None:
    told = {"name": "text", "shape": shape, "datatype": "BYTES", "parameters": {"binary_data_size": size}}
    head = json.dumps({"inputs": [told]}).encode()
    headers = {"inference-header-content-length": str(len(head)), "content-type": "application/octet-stream"}
    answer = pair.client.post("/v2/models/sentiment/infer", content=head + raw, headers=headers)
    assert answer.headers.get("x-error-code", "") == code


def test_an_escape_hides_no_raw_tensor(pair: Pair) -> None:
    head = infer(tensor={"parameters": {"binary_data_size": 5}}).replace(b', "data": ["a"]', b"")
    for name, code in ((b"BYTES", ""), (b"BYTE\\u0053", "invalid_request")):
        told = head.replace(b"BYTES", name)
        raw = b"\1\0\0\0a" if code == "" else b"\xff\0\0\0a"
        headers = {"inference-header-content-length": str(len(told)), "content-type": "application/octet-stream"}
        answer = pair.client.post("/v2/models/sentiment/infer", content=told + raw, headers=headers)
        assert answer.headers.get("x-error-code", "") == code, told


def field(number: int, value: bytes) -> bytes:
    """A field of a message, by its length."""
    return bytes((number << 3 | 2, len(value))) + value


def text_input(hidden: bytes = b"") -> bytes:
    """The input of one text, with something hidden before its datatype."""
    return field(5, field(1, b"text") + hidden + field(2, b"BYTES") + field(3, b"\1\1"))


FIXED_INPUT, FIXED_RAW, FIXED_SHAPE, GROUP = b"\x2d\0\0\0\0", b"\x3d\0\0\0\0", b"\x1d\0\0\0\0", b"\x7b\x7c"
TRUE, LIE = field(7, b"\1\0\0\0a"), field(7, b"\xff\0\0\0a")


@pytest.mark.parametrize(
    ("tensors", "passes"),
    [
        (text_input() + TRUE, True),
        (text_input() + LIE, False),
        (text_input(GROUP) + LIE, False),
        (text_input(FIXED_SHAPE) + field(7, b""), False),
        (FIXED_INPUT + text_input() + LIE + FIXED_RAW, False),
    ],
    ids=["true", "plain", "group", "fixed shape", "fixed input and tensor"],
)
def test_nothing_hides_a_calls_tensor_that_lies(pair: Pair, tensors: bytes, passes: bool) -> None:
    """Fields of another wire type are unknown to Triton: the edge must not read something else than it does."""
    with grpc.insecure_channel(pair.edge.grpc) as channel:
        call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        with pytest.raises(grpc.RpcError) as caught:  # the small server behind speaks no gRPC
            call(field(1, b"sentiment") + tensors, metadata=tuple(pair.edge.headers.items()), timeout=30)
    assert (caught.value.code() is not grpc.StatusCode.INVALID_ARGUMENT) == passes, caught.value.details()
