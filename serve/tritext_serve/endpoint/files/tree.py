"""YAML bytes in, a tree of values with their lines out. It runs nothing, and what it builds is bounded.

Only plain data gets through: text, numbers, true and false, lists and tables. What would make the same file mean two
things (a key twice, two documents) or much out of little (aliases of aliases) is refused, as is a tag that constructs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from tritext_serve.endpoint.files.report import Report, quote

MAX_BYTES = 1 << 20
MAX_DEPTH = 16
MAX_NODES = 10_000
_TAG = "tag:yaml.org,2002:"
_PLAIN = frozenset(f"{_TAG}{kind}" for kind in ("str", "int", "float", "bool", "null"))
_CONTAINERS = frozenset({f"{_TAG}map", f"{_TAG}seq"})
# What the scanner says, in part, and what to do about it.
_REMEDIES = {
    "'\\t'": "indent with spaces",
    "mapping values are not allowed": "quote a text that holds a colon, and indent alike what belongs together",
    "could not find expected ':'": "write `key: value`",
    "undefined alias": "write the value out",
    "unacceptable character": "take the character out",
}
_REMEDY = "correct the YAML there"


@dataclass(frozen=True, slots=True)
class Leaf:
    """A single value.

    Attributes:
        value: As YAML 1.1 reads it; dates stay text.
        line: Its line, from 1.
        size: Nodes in it, for the bound on aliases.
    """

    value: str | int | float | bool | None
    line: int
    size: int = 1


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    items: tuple["Node", ...]
    line: int
    size: int = 1


@dataclass(frozen=True, slots=True)
class Table:
    """A table.

    Attributes:
        entries: Its values by key.
        lines: The line of each key.
        line: Its own first line.
        size: Nodes in it.
    """

    entries: Mapping[str, "Node"]
    lines: Mapping[str, int]
    line: int
    size: int = 1


Node = Leaf | Items | Table


class _Refused(Exception):
    """The file cannot be read on from here."""

    def __init__(self, line: int, what: str, remedy: str) -> None:
        super().__init__(what)
        self.line, self.what, self.remedy = line, what, remedy


def read_tree(content: bytes, report: Report) -> Table | None:
    """Read a file's bytes.

    Args:
        content: All of the file.
        report: Gets what is wrong.

    Returns:
        The table that the file is; None where it is none, or so broken that nothing can be read.
    """
    try:
        return _Composer(_decode(content), report).document()
    except _Refused as error:
        report.refuse(error.line, "file", error.what, error.remedy)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = error.problem or error.context or "is not YAML"
        report.refuse(mark.line + 1 if mark else 1, "file", what, _remedy(what))
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        # The scanner's own conversions, such as a character beyond Unicode in an escape.
        report.refuse(1, "file", f"is not YAML ({quote(str(error))})", _REMEDY)
    return None


def _remedy(what: str) -> str:
    return next((remedy for part, remedy in _REMEDIES.items() if part in what), _REMEDY)


def _decode(content: bytes) -> str:
    """Make text of the bytes; the scanner's own complaint about characters knows no lines."""
    if len(content) > MAX_BYTES:
        raise _Refused(1, f"is longer than {MAX_BYTES:,} bytes", "give an endpoint's own file")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _Refused(line, f"is not UTF-8 ({error.reason})", "save the file as UTF-8") from error
    if found := yaml.reader.Reader.NON_PRINTABLE.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise _Refused(line, f"unacceptable character {quote(found.group())}", "take the character out")
    return text


class _Composer:
    """Builds the tree of one document from the scanner's events."""

    def __init__(self, text: str, report: Report) -> None:
        self._loader: Any = yaml.SafeLoader(text)
        self._report = report
        self._anchors: dict[str, Node] = {}
        self._size = 0

    def document(self) -> Table | None:
        """Read the only document."""
        self._next()
        if not self._loader.check_event(yaml.DocumentStartEvent):
            raise _Refused(1, "is empty", "write the endpoint's fields")
        self._next()
        root = self._node(self._next(), 0)
        self._next()
        if not self._loader.check_event(yaml.StreamEndEvent):
            line = _line(self._loader.peek_event())
            raise _Refused(line, "a second document begins", "put each document into a file of its own")
        if not isinstance(root, Table):
            raise _Refused(root.line, "is not a table", "write `name: …` and the other fields")
        return root

    def _next(self) -> Any:
        return self._loader.get_event()

    def _node(self, event: Any, depth: int) -> Node:
        line = _line(event)
        if depth > MAX_DEPTH:
            raise _Refused(line, f"is nested deeper than {MAX_DEPTH}", "write a flatter file")
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        self._grow(1, line)
        if isinstance(event, yaml.ScalarEvent):
            node: Node = self._leaf(event)
        elif event.tag not in (None, "!", *_CONTAINERS):
            raise _Refused(line, f"tag {quote(event.tag)} is not allowed", "write plain YAML")
        else:
            node = self._items(line, depth) if isinstance(event, yaml.SequenceStartEvent) else self._table(line, depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _grow(self, by: int, line: int) -> None:
        self._size += by
        if self._size > MAX_NODES:
            raise _Refused(line, f"holds more than {MAX_NODES:,} values", "write a smaller file, without aliases")

    def _alias(self, event: Any) -> Node:
        line = _line(event)
        if event.anchor not in self._anchors:
            raise _Refused(line, f"alias {quote(event.anchor)} stands before or inside its anchor", "write it out")
        node = self._anchors[event.anchor]
        self._grow(node.size, line)
        return node

    def _leaf(self, event: Any) -> Leaf:
        line = _line(event)
        told = event.tag not in (None, "!")
        tag = event.tag if told else self._loader.resolve(yaml.ScalarNode, event.value, event.implicit)
        if tag not in _PLAIN:
            if told:
                raise _Refused(line, f"tag {quote(tag)} is not allowed", "write plain YAML")
            return Leaf(event.value, line)  # a date
        try:
            return Leaf(self._loader.construct_object(yaml.ScalarNode(tag, event.value)), line)
        except (yaml.YAMLError, ValueError, OverflowError, LookupError) as error:
            raise _Refused(line, f"{quote(event.value)} is not of its type", "quote it, or write another") from error

    def _items(self, line: int, depth: int) -> Items:
        items: list[Node] = []
        while not self._loader.check_event(yaml.SequenceEndEvent):
            items.append(self._node(self._next(), depth + 1))
        self._next()
        return Items(tuple(items), line, 1 + sum(item.size for item in items))

    def _table(self, line: int, depth: int) -> Table:
        entries: dict[str, Node] = {}
        lines: dict[str, int] = {}
        while not self._loader.check_event(yaml.MappingEndEvent):
            event = self._next()
            key, at = self._key(event), _line(event)
            value = self._node(self._next(), depth + 1)
            if key in entries:
                self._report.refuse(at, key, f"stands twice, first in line {lines[key]}", "remove one of them")
                continue
            entries[key], lines[key] = value, at
        self._next()
        return Table(entries, lines, line, 1 + sum(1 + entry.size for entry in entries.values()))

    def _key(self, event: Any) -> str:
        line = _line(event)
        self._grow(1, line)
        if not isinstance(event, yaml.ScalarEvent) or event.tag not in (None, "!"):
            raise _Refused(line, "a key is not plain text", "write `key: value`")
        if event.value == "<<" and event.style is None:
            raise _Refused(line, "`<<` merges another table", "write the fields out")
        return str(event.value)


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1
