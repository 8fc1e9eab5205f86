"""Azure's role-assignment conditions, decided here: a condition and a request in, allowed or not out. Pure.

::

    text ── tokens ── expression ──┐
                                   ├── evaluate ──► True: this assignment allows it
    request: action, attributes ───┘

The grammar is that of Azure's article "conditions format", as far as conditions on blobs use it. What Azure leaves
to a reader is decided the careful way: an attribute that a request does not have makes its comparison false, and
``AND`` beside ``OR`` without parentheses is refused, as Azure asks for them. What is not known is refused, not guessed.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
READ, WRITE, ADD, DELETE, MOVE = (
    f"{BLOBS}/{verb}" for verb in ("read", "write", "add/action", "delete", "move/action")
)
LIST = "Blob.List"

Value = str | bool | int
Values = Value | tuple[Value, ...]
_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^'\\]|\\.)*')|(?P<attribute>@?(?:Resource|Request|Environment|Principal)\[[^\]]*\])"
    r"|(?P<number>-?\d+)|(?P<word>[A-Za-z][A-Za-z:]*)|(?P<sign>&&|\|\||[(){},!]))",
    re.IGNORECASE,
)
_ATTRIBUTE = re.compile(r"@?(?P<source>[A-Za-z]+)\[(?P<name>[^\]]*)\]")
_QUANTIFIER = re.compile(r"For(?P<left>Any|All)Of(?P<right>Any|All)Values:(?P<operator>\w+)")


class ConditionError(ValueError):
    """A text is no condition, or holds what is not known here."""


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody wants to do.

    Attributes:
        action: The data action, such as ``READ``.
        suboperation: ``LIST`` for a list; "" for none.
        attributes: Values by source and name, such as ``("resource", f"{BLOBS}:path")``, in small letters.
    """

    action: str
    suboperation: str = ""
    attributes: Mapping[tuple[str, str], Values] = field(default_factory=dict)


def on_blob(action: str, container: str, path: str) -> Request:
    """Ask for one blob: ``path`` begins below the container and has no leading slash."""
    return Request(action, "", _attributes(container, {("resource", f"{BLOBS}:path"): path}))


def on_list(container: str, prefix: str | None) -> Request:
    """Ask for the names that begin with a prefix; None where the request has no such parameter."""
    more = {} if prefix is None else {("request", f"{BLOBS}:prefix"): prefix}
    return Request(READ, LIST, _attributes(container, more))


def evaluate(condition: str, request: Request) -> bool:
    """Say whether a condition lets a request pass.

    Args:
        condition: Its text; empty for none, which lets everything pass.
        request: One whose action the assignment's role has: a condition only ever takes away.

    Raises:
        ConditionError: the text is no condition.
    """
    return not condition.strip() or parse(condition)(request)


Test = Callable[[Request], bool]
# The values of one side of a comparison; None where the request does not have the attribute.
Side = Callable[[Request], tuple[Value, ...] | None]


@lru_cache(maxsize=256)
def parse(condition: str) -> Test:
    """Read a condition.

    Raises:
        ConditionError: the text is no condition; the message says where.
    """
    parser = _Parser(list(_tokens(condition)))
    test = parser.expression()
    parser.end()
    return test


def _attributes(container: str, more: Mapping[tuple[str, str], Value]) -> dict[tuple[str, str], Value]:
    named = {("resource", f"{BLOBS.rpartition('/')[0]}:name"): container, **more}
    return {(source, name.lower()): value for (source, name), value in named.items()}


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while text[at:].strip():
        found = _TOKEN.match(text, at)
        if found is None:
            raise ConditionError(f"character {at}: {text[at : at + 20]!r} is not understood")
        at = found.end()
        kind = str(found.lastgroup)
        yield kind, found[kind]


class _Parser:
    """Reads tokens from left to right; each method takes what it is named after."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._at = 0

    def expression(self) -> Test:
        """Operands joined by ``AND`` alone or by ``OR`` alone."""
        operands = [self._operand()]
        joint = ""
        while (word := self._joint()) is not None:
            if joint not in ("", word):
                raise ConditionError("AND beside OR: put one of them into parentheses")
            joint = word
            self._at += 1
            operands.append(self._operand())
        if joint == "or":
            return lambda request: any(operand(request) for operand in operands)
        return lambda request: all(operand(request) for operand in operands)

    def end(self) -> None:
        """Refuse what follows the condition."""
        if self._at < len(self._tokens):
            raise ConditionError(f"{self._peek()[1]!r} follows the condition")

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "the end")

    def _take(self, expected: str = "") -> tuple[str, str]:
        kind, text = self._peek()
        if kind == "end" or (expected and text != expected):
            raise ConditionError(f"{expected or 'more'!r} is missing before {text!r}")
        self._at += 1
        return kind, text

    def _joint(self) -> str | None:
        text = self._peek()[1].lower()
        return {"and": "and", "&&": "and", "or": "or", "||": "or"}.get(text)

    def _operand(self) -> Test:
        kind, text = self._peek()
        if text == "!" or text.lower() == "not":
            self._at += 1
            negated = self._operand()
            return lambda request: not negated(request)
        if text == "(":
            self._at += 1
            inner = self.expression()
            self._take(")")
            return inner
        if kind == "word" and text == "Exists":
            self._at += 1
            side = self._side()
            return lambda request: side(request) is not None
        if kind == "word" and text in ("ActionMatches", "SubOperationMatches"):
            self._at += 1
            return _matches(text, self._set())
        return self._comparison()

    def _comparison(self) -> Test:
        left = self._side()
        kind, operator = self._take()
        if kind != "word":
            raise ConditionError(f"{operator!r} stands where an operator should")
        return _compare(left, operator, self._side())

    def _side(self) -> Side:
        kind, text = self._peek()
        if kind == "attribute":
            self._at += 1
            found = _ATTRIBUTE.fullmatch(text)
            if found is None:
                raise ConditionError(f"{text!r} is no attribute")
            key = (found["source"].lower(), found["name"].lower())
            return lambda request: _several(request.attributes.get(key))
        values = self._set() if text == "{" else (self._value(),)
        return lambda request: values

    def _set(self) -> tuple[Value, ...]:
        self._take("{")
        values = [self._value()]
        while self._peek()[1] == ",":
            self._at += 1
            values.append(self._value())
        self._take("}")
        return tuple(values)

    def _value(self) -> Value:
        kind, text = self._take()
        if kind == "text":
            return text[1:-1]
        if kind == "number":
            return int(text)
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
        raise ConditionError(f"{text!r} stands where a value should")


def _several(value: Values | None) -> tuple[Value, ...] | None:
    return value if value is None or isinstance(value, tuple) else (value,)


def _matches(function: str, patterns: tuple[Value, ...]) -> Test:
    if not all(isinstance(pattern, str) for pattern in patterns):
        raise ConditionError(f"{function} takes texts")
    known = [_like(str(pattern), ignore_case=True) for pattern in patterns]
    if function == "ActionMatches":
        return lambda request: any(pattern.fullmatch(request.action) for pattern in known)
    return lambda request: any(pattern.fullmatch(request.suboperation) for pattern in known)


def _like(pattern: str, ignore_case: bool) -> re.Pattern[str]:
    """Translate ``*`` and ``?``; a backslash takes their meaning away."""
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    wild = {"*": ".*", "?": "."}
    flags = re.DOTALL | (re.IGNORECASE if ignore_case else re.NOFLAG)
    return re.compile("".join(wild.get(part, re.escape(part[-1])) for part in parts), flags)


def _starts(left: Value, right: Value) -> bool:
    return str(left).startswith(str(right))


def _is_like(left: Value, right: Value) -> bool:
    return _like(str(right), ignore_case=False).fullmatch(str(left)) is not None


_TEXT: Mapping[str, Callable[[Value, Value], bool]] = {
    "Equals": lambda left, right: left == right,
    "StartsWith": _starts,
    "Like": _is_like,
}
_NUMBER: Mapping[str, Callable[[int, int], bool]] = {
    "Equals": lambda left, right: left == right,
    "LessThan": lambda left, right: left < right,
    "LessThanEquals": lambda left, right: left <= right,
    "GreaterThan": lambda left, right: left > right,
    "GreaterThanEquals": lambda left, right: left >= right,
}
# Times are texts that compare as they stand: all in UTC and as long as one another.
_OPERATORS: Mapping[str, Mapping[str, Callable[..., bool]]] = {
    "String": _TEXT,
    "Bool": {"Equals": _TEXT["Equals"]},
    "Numeric": _NUMBER,
    "DateTime": _NUMBER,
}
_TYPES = {"Bool": bool, "Numeric": int}
_OPERATOR = re.compile(
    r"(?P<kind>String|Bool|Numeric|DateTime)(?P<negated>Not)?"
    r"(?P<name>Equals|StartsWith|Like|LessThan(?:Equals)?|GreaterThan(?:Equals)?)(?P<ignore>IgnoreCase)?"
)


def _compare(left: Side, operator: str, right: Side) -> Test:
    """Compare what stands on both sides, value by value."""
    quantified = _QUANTIFIER.fullmatch(operator)
    single = _single(quantified["operator"] if quantified else operator)
    some = {"Any": any, "All": all}
    outer, inner = (some[quantified[side]] for side in ("left", "right")) if quantified else (all, all)

    def test(request: Request) -> bool:
        values, others = left(request), right(request)
        if not values or not others:
            return False
        return bool(outer(inner(single(value, other) for other in others) for value in values))

    return test


def _single(operator: str) -> Callable[[Value, Value], bool]:
    found = _OPERATOR.fullmatch(operator)
    table = _OPERATORS[found["kind"]] if found else {}
    if found is None or found["name"] not in table:
        raise ConditionError(f"{operator!r} is no operator that is known here")
    compare, kind = table[found["name"]], _TYPES.get(found["kind"], str)
    fold = str.lower if found["ignore"] else lambda value: value

    def test(left: Value, right: Value) -> bool:
        if not isinstance(left, kind) or not isinstance(right, kind):
            return False
        return bool(compare(fold(left), fold(right))) is not bool(found["negated"])  # type: ignore[arg-type]

    return test
