"""A table read field by field: a name and what it may be in, its value out, and to the report what is wrong.

A field that is missing or wrong is read as its default, so that one pass finds every mistake of a file. Whatever nobody
asked for when the section is closed is an unknown field.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches

from tritext_serve.endpoint.files.report import Report, quote
from tritext_serve.endpoint.files.tree import Items, Leaf, Node, Table

MOST_UNKNOWN = 20
LONGEST_NAME = 80
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class Section:
    """One table of a file.

    Args:
        table: What it holds.
        report: Gets what is wrong.
        path: Its own name within the file, with a dot at the end; "" for the file itself.
        start: The line of what is missing in it: its key's, or else its own first.
    """

    def __init__(self, table: Table, report: Report, path: str = "", start: int | None = None) -> None:
        self._table = table
        self._start = start or table.line
        self._report = report
        self._path = path
        self._known: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self._table.entries

    def line(self, name: str) -> int:
        """The line of a field; the table's own where there is none."""
        return self._table.lines.get(name, self._start)

    def refuse(self, name: str, what: str, remedy: str) -> None:
        """Report that a field is wrong; a name of a field within it may follow a dot."""
        self._report.refuse(self.line(name.partition(".")[0]), f"{self._path}{name}", what, remedy)

    def note(self, name: str, what: str) -> None:
        """Report that a field has no effect."""
        self._report.note(self.line(name), f"{self._path}{name}", what)

    def text(self, name: str, example: str, default: str | None = None) -> str | None:
        """Read a text that is not empty.

        Args:
            name: The field.
            example: What a remedy shows.
            default: Where it is missing; None if it must be there, and None is then what a missing one reads as.
        """
        remedy = f"write `{name}: {example}`"
        node = self._find(name)
        if node is None:
            if default is None:
                self.refuse(name, "is missing", remedy)
            return default
        if not isinstance(node, Leaf) or not isinstance(node.value, str):
            self.refuse(name, f"{describe(node)} is not a text", f'{remedy}, in "quotes" if need be')
        elif not node.value.strip():
            self.refuse(name, "is empty", remedy)
        elif not node.value.isprintable():
            self.refuse(name, f"{describe(node)} holds a character that cannot be printed", remedy)
        else:
            return node.value
        return default

    def plain(self, name: str) -> str | None:
        """Read a text if it is one, without a word if it is something else."""
        self._known.add(name)
        node = self._table.entries.get(name)
        return node.value if isinstance(node, Leaf) and isinstance(node.value, str) else None

    def choice(self, name: str, allowed: Collection[str], default: str) -> str:
        """Read one of a few words, in any case, with humps for underscores as Azure's client takes them."""
        remedy = f"write one of {', '.join(allowed)}"
        node = self._find(name)
        if node is None:
            return default
        word = node.value if isinstance(node, Leaf) else None
        snake = _HUMP.sub("_", word).lower() if isinstance(word, str) else ""
        if snake in allowed:
            return snake
        hint = ' in "quotes"' if isinstance(word, bool) else ""
        self.refuse(name, f"{describe(node)} is not known", f"{remedy}{hint}")
        return default

    def whole(self, name: str, default: int, least: int, most: int) -> int:
        """Read a whole number within bounds."""
        node = self._find(name)
        if node is None:
            return default
        value = node.value if isinstance(node, Leaf) else None
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        self.refuse(name, f"is {describe(node)}", f"write a whole number from {least} to {most}")
        return default

    def flag(self, name: str) -> bool | None:
        """Read true or false that must be there."""
        node = self._find(name)
        value = node.value if isinstance(node, Leaf) else None
        if isinstance(value, bool):
            return value
        what = "is missing" if node is None else f"is {describe(node)}"
        self.refuse(name, what, f"write `{name}: true` or `{name}: false`")
        return None

    def section(self, name: str) -> "Section | None":
        """Read a table; None where it is missing or none."""
        node = self._find(name)
        if isinstance(node, Table):
            return Section(node, self._report, f"{self._path}{name}.", self.line(name))
        if node is not None:
            self.refuse(name, f"{describe(node)} is not a table", f"write the fields of `{name}` below it, indented")
        return None

    def sections(self, name: str) -> Iterator["Section"]:
        """Read a list of tables."""
        for number, node in enumerate(self._items(name)):
            where = f"{name}[{number}]"
            if isinstance(node, Table):
                yield Section(node, self._report, f"{self._path}{where}.")
            else:
                self._report.refuse(
                    node.line, f"{self._path}{where}", f"{describe(node)} is not a table", "write `- name: …`"
                )

    def texts(self, name: str) -> tuple[str, ...]:
        """Read a list of texts."""
        nodes = self._items(name)
        found = tuple(node.value for node in nodes if isinstance(node, Leaf) and isinstance(node.value, str))
        if len(found) != len(nodes):
            self.refuse(name, "holds what is not a text", "write a list of texts")
        return found

    def values(self, name: str) -> Mapping[str, object]:
        """Read a table of single values: numbers of traffic, tags, environment variables."""
        node = self._find(name)
        if node is None:
            return {}
        if not isinstance(node, Table):
            self.refuse(name, f"{describe(node)} is not a table", f"write `{name}: {{key: value}}`")
            return {}
        found: dict[str, object] = {}
        for key, entry in node.entries.items():
            if isinstance(entry, Leaf):
                found[key] = entry.value
            else:
                self._report.refuse(
                    node.lines[key],
                    f"{self._path}{name}.{key}",
                    f"{describe(entry)} is not a single value",
                    "write one",
                )
        return found

    def refuse_key(self, name: str, key: str, what: str, remedy: str) -> None:
        """Report that a value in a table of single values is wrong; "" for the table as a whole."""
        path = f"{self._path}{name}.{key}" if key else f"{self._path}{name}"
        self._report.refuse(self._key_line(name, key), path, what, remedy)

    def note_key(self, name: str, key: str, what: str) -> None:
        """Report that a value in a table of single values has no effect."""
        self._report.note(self._key_line(name, key), f"{self._path}{name}.{key}", what)

    def ignore(self, reasons: Mapping[str, str]) -> None:
        """Note fields that Azure knows and nothing here needs, whatever they hold; an empty reason stays unsaid."""
        for name, reason in reasons.items():
            self._known.add(name)
            if name in self and reason:
                self.note(name, f"ignored: {reason}")

    def close(self) -> None:
        """Refuse the fields that nobody asked for; of very many, the first."""
        unknown = [name for name in self._table.entries if name not in self._known]
        for name in unknown[:MOST_UNKNOWN]:
            near = get_close_matches(name[:LONGEST_NAME], self._known, n=1)
            remedy = f"did you mean `{near[0]}`?" if near else f"known are {', '.join(sorted(self._known))}"
            self.refuse(name, "unknown field", remedy)
        if len(unknown) > MOST_UNKNOWN:
            self.refuse(unknown[MOST_UNKNOWN], f"{len(unknown) - MOST_UNKNOWN} more unknown fields", "remove them")

    def _find(self, name: str) -> Node | None:
        """Take a field's node; one without a value is refused, and reads as missing."""
        self._known.add(name)
        node = self._table.entries.get(name)
        if isinstance(node, Leaf) and node.value is None:
            self.refuse(name, "has no value", "give it one, or remove the line")
            return None
        return node

    def _key_line(self, name: str, key: str) -> int:
        node = self._table.entries.get(name)
        line = node.lines.get(key) if isinstance(node, Table) else None
        return line or self.line(name)

    def _items(self, name: str) -> tuple[Node, ...]:
        node = self._find(name)
        if node is None or isinstance(node, Items):
            return node.items if node else ()
        self.refuse(name, f"{describe(node)} is not a list", "write `- …`, a line for each")
        return ()


def describe(node: Node) -> str:
    """Show a value within a sentence."""
    if isinstance(node, Leaf):
        return quote(node.value)
    return "a list" if isinstance(node, Items) else "a table"
