"""A JSON object a line: in they are parsed, out goes the very same line with the answer put before its last brace.

So numbers, escapes and the order of keys stay as they were.
"""

import json
import re
from collections.abc import Iterator
from typing import BinaryIO

from tritext import Prediction
from tritext_batch.errors import InputError
from tritext_batch.formats.grouping import Found, Limits, group
from tritext_batch.formats.lines import Line, read_lines, skip_mark
from tritext_batch.formats.text import TOO_LONG, decode
from tritext_batch.rows import Block, Row

# If so many objects in a row lack the key, the key is misspelt rather than the rows bad.
MOST_WITHOUT_KEY = 100
# How a file begins whose rows are elements of one array, and how much of it is looked at.
_ARRAY, _HEAD_BYTES = re.compile(rb"\s*\[\s*\{"), 256


class JsonlReader:
    """Reads the key ``column`` of each line; empty lines are passed over, but count."""

    columns = ()

    def __init__(self, file: BinaryIO, name: str, column: str, limits: Limits) -> None:
        self._file, self._name, self._column, self._limits = file, name, column, limits
        self.start = skip_mark(file, name)
        if _ARRAY.match(file.read(_HEAD_BYTES)):
            raise InputError(f"{name}: is one JSON array: write an object a line, as `jq -c '.[]'` does")

    def blocks(self, position: int, number: int) -> Iterator[Block]:
        """Read on behind line ``number``, which ends at ``position``.

        Raises:
            InputError: the first objects all lack the key.
        """
        blocks = group(self._rows(position, number), self._limits)
        if position != self.start:
            return blocks
        return self._checked(blocks)

    def _checked(self, blocks: Iterator[Block]) -> Iterator[Block]:
        for index, block in enumerate(blocks):
            first = block.rows[:MOST_WITHOUT_KEY]
            if index == 0 and first and all(row.reason == self._missing for row in first):
                raise InputError(
                    f"{self._name}: none of the first {len(first)} rows has the key {self._column!r}: "
                    "name another with --column"
                )
            yield block

    @property
    def _missing(self) -> str:
        return f"no key {self._column!r}"

    def _rows(self, position: int, number: int) -> Iterator[Found]:
        whole = True
        for line in read_lines(self._file, position, self._limits.row_bytes):
            number += whole
            if line.complete:
                row = self._row(line, number) if whole else self._too_long(number)
                yield Found(row, number, line.end, len(line.data) if whole else 0)
            whole = line.complete
        if not whole:
            yield Found(self._too_long(number), number, self._file.tell(), 0)

    def _too_long(self, number: int) -> Row:
        return Row(number, None, TOO_LONG.format(limit=self._limits.row_bytes))

    def _row(self, line: Line, number: int) -> Row | None:
        words, reason = decode(line.data.strip())
        if words == "":
            return None
        if words is None:
            return Row(number, None, reason)
        try:
            content = json.loads(words)
        except (ValueError, RecursionError) as error:
            return Row(number, None, f"not JSON: {error}")
        text, reason = self._text(content)
        return Row(number, text, reason, (words, content) if text is not None else None)

    def _text(self, content: object) -> tuple[str | None, str]:
        if not isinstance(content, dict):
            return None, f"{_kind(content)}, not an object"
        if self._column not in content:
            return None, self._missing
        text = content[self._column]
        if not isinstance(text, str):
            return None, f"{self._column!r} is {_kind(text)}, not a string"
        return checked(text)


def _kind(value: object) -> str:
    """Name what a value is in JSON."""
    match value:
        case None | bool():
            return json.dumps(value)
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "a list"
        case _:
            return "an object"


def checked(text: str) -> tuple[str | None, str]:
    """Refuse a text with half of a surrogate pair, which cannot be sent."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return None, f"half of a surrogate pair at character {error.start}"
    return text, ""


class JsonlEncoder:
    """Writes what was an object before with three more keys, and rows of tables as objects."""

    def __init__(self, names: tuple[str, str, str], columns: tuple[str, ...]) -> None:
        self._names, self._columns = names, columns

    def header(self) -> bytes:
        """Nothing stands above the lines."""
        return b""

    def encode(self, block: Block, answers: list[tuple[Row, Prediction]]) -> bytes:
        """Write a line for each answered row."""
        return "".join(self._line(row, answer) for row, answer in answers).encode()

    def _line(self, row: Row, answer: Prediction) -> str:
        added = dict(zip(self._names, (answer.label, round(answer.score, 6), answer.model_version), strict=True))
        if self._columns:
            record = dict(zip(self._columns, row.carried, strict=True))
            return json.dumps(record | added, ensure_ascii=False) + "\n"
        words, content = row.carried
        if taken := [name for name in self._names if name in content]:
            raise InputError(
                f"row {row.number} has a key {taken[0]!r} already: name the new ones otherwise: --prefix predicted_"
            )
        return f"{words[:-1].rstrip()}, {json.dumps(added, ensure_ascii=False)[1:]}\n"
