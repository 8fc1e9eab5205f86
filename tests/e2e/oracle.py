"""What a request deserves, found by another way than the edge's: Python's own JSON, told to be strict. Pure."""

import json
from collections.abc import Iterator
from typing import Any, Literal

from tests.e2e.wire import Answer, Exchange
from tritext_serve.endpoint.edge.refusals import REFUSALS

Verdict = Literal["good", "bad", "either"]
DEPTH = 32
BATCH = 64
KNOWN: dict[str, Any] = {
    "long_texts": ("truncate", "refuse", "window"),
    "window_pooling": ("mean", "max"),
    "window_stride": tuple(range(65)),
}
# What the front judges by more than we know here.
UNJUDGED = {"text_pair", "background", "window_stride"}

# What the edge says where it never saw a whole request: then there may be no body, as none was asked for by name.
BEFORE_HTTP = {400, 408, 413, 426, 431}
# What a busy machine may make of a good request.
BY_DESIGN = {408, 429, 503, 504}
OUR_FAULT = 500
# Words of the server behind the edge, which no stranger needs.
INTERNALS = (b"triton", b"stub", b"/dev/shm", b"shared memory", b"traceback", b"rapidjson")


def complaint(one: Exchange, key: str) -> str | None:
    """Say what is wrong with what a case got; None if nothing is."""
    if one.hung:
        return "neither an answer nor the end of the connection"
    if one.case.body is not None and len(one.answers) != 1:
        return f"{len(one.answers)} answers"
    for answer in one.answers:
        found = _fault_of(answer, key) or (_fault_of_shared(one, answer) if one.case.body is not None else None)
        if found is not None:
            return f"{answer.status} {answer.body[:300]!r}: {found}"
    return None


def _fault_of(answer: Answer, key: str) -> str | None:
    if answer.status >= OUR_FAULT and answer.status not in BY_DESIGN:
        return "a failure of ours"
    lower = answer.body.lower()
    if answer.status >= 400 and any(word in lower for word in INTERNALS):
        return "the body tells about the server behind"
    if key.encode() in answer.body:
        return "the body holds the key"
    if answer.status < 400 or (answer.status in BEFORE_HTTP and not answer.body):
        return None
    return _fault_of_error(answer)


def _fault_of_error(answer: Answer) -> str | None:
    content = answer.content
    if not isinstance(content, dict) or set(content) != {"error", "code"}:
        return "an error's body is {error, code}"
    if content["code"] not in REFUSALS or REFUSALS[content["code"]].status != answer.status:
        return "code and status do not belong together"
    return None


def _fault_of_shared(one: Exchange, answer: Answer) -> str | None:
    body = one.case.body or b""
    if answer.headers.get("x-request-id") != f"case-{one.case.number}":
        return "another request's answer"
    if not is_json(body):
        return None if 400 <= answer.status < 500 else "no JSON, and yet no refusal"
    if not one.case.plain or answer.status in BY_DESIGN:
        return None
    verdict = judge_plain(body)
    if verdict == "good":
        return _fault_of_good(body, answer)
    refused = 400 <= answer.status < 500
    return "a wrong request, and yet no refusal" if verdict == "bad" and not refused else None


def _fault_of_good(body: bytes, answer: Answer) -> str | None:
    if answer.status != 200:
        return "a good request, and yet refused"
    sent = read(body)["text"]
    expected = sent[0] if isinstance(sent, list) and len(sent) == 1 else sent
    return None if answer.content["text"] == expected else "the answer to another text"


def read(body: bytes) -> Any:
    """Read JSON as RFC 8259 has it, in UTF-8, with every key once and every string of whole characters.

    Raises:
        ValueError: It is none.
    """
    content = json.loads(body.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant, parse_int=_number)
    for depth, leaf in _walk(content, 0):
        if depth > DEPTH:
            raise ValueError("too deep")
        if isinstance(leaf, str):
            leaf.encode("utf-8")
    return content


def judge_plain(body: bytes) -> Verdict:
    """Tell whether ``/predict`` should answer a body."""
    try:
        content = read(body)
    except (ValueError, RecursionError):
        return "bad"
    if not isinstance(content, dict) or not _is_text(content.get("text")) or not set(content) <= {"text"} | set(KNOWN):
        return "either" if isinstance(content, dict) and UNJUDGED & set(content) else "bad"
    odd = {key for key in KNOWN if key in content and not _is_one_of(content[key], KNOWN[key])}
    return "good" if not odd else "either" if odd <= UNJUDGED else "bad"


def is_json(body: bytes) -> bool:
    """Tell whether any route should look at a body."""
    try:
        return isinstance(read(body), dict)
    except (ValueError, RecursionError):
        return False


def _is_one_of(value: Any, known: tuple[Any, ...]) -> bool:
    """Look for a value, where true is no 1."""
    return not isinstance(value, bool) and value in known


def _is_text(text: Any) -> bool:
    if isinstance(text, list):
        return 0 < len(text) <= BATCH and all(isinstance(item, str) for item in text)
    return isinstance(text, str)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError("a key twice")
    return content


def _no_constant(name: str) -> float:
    raise ValueError(name)


def _number(digits: str) -> float:
    """Read an integer of any length."""
    return float(digits)


def _walk(value: Any, depth: int) -> Iterator[tuple[int, Any]]:
    if not isinstance(value, dict | list):
        yield depth, value
        return
    yield depth + 1, None
    for key in value if isinstance(value, dict) else ():
        yield depth + 1, key
    for item in value.values() if isinstance(value, dict) else value:
        yield from _walk(item, depth + 1)
