"""Texts for the command line: a file, standard input or words in; a stream of texts out, never all at once."""

import csv
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tritext._errors import InvalidInput

STANDARD_INPUT = "-"
COLUMN = "text"


class _MalformedError(Exception):
    """A file that is not of the kind that its name says."""


def read_texts(name: str) -> Iterator[str]:
    """Yield the texts of a file as they are read.

    Args:
        name: ``-`` for standard input, or a file: ``.tsv`` and ``.csv`` have a column ``text``, each line of a
            ``.jsonl`` has a key ``text``, and every line of any other is a text (an empty line is an empty text).

    Raises:
        InvalidInput: the file cannot be read, is not UTF-8, or has no texts in that place.
    """
    return (texts[0] for texts in _read(name, (COLUMN,)))


def read_pairs(name: str, pair_column: str) -> Iterator[tuple[str, str]]:
    """Yield pairs of texts, from the columns (or keys) ``text`` and ``pair_column``, in the same way."""
    return ((first, second) for first, second in _read(name, (COLUMN, pair_column)))


def _read(name: str, columns: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    where = "standard input" if name == STANDARD_INPUT else name
    try:
        if name == STANDARD_INPUT:
            yield from _lines(_decoded(sys.stdin.buffer), columns)
            return
        with Path(name).open("rb") as file:
            reader = _READERS.get(Path(name).suffix.lower(), _lines)
            yield from reader(_decoded(file), columns)
    except OSError as error:
        raise InvalidInput(f"{where}: {error.strerror}: give a file of texts, or - for standard input") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{where}: not UTF-8 ({error.reason}): convert it first") from error
    except (csv.Error, _MalformedError) as error:
        raise InvalidInput(f"{where}: {error}") from error


def _decoded(file: Iterable[bytes]) -> Iterator[str]:
    for number, line in enumerate(file):
        # Windows writes a mark before the first character, which is no part of a text or a column's name.
        yield line.decode("utf-8" if number else "utf-8-sig")


def _lines(lines: Iterable[str], columns: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if len(columns) > 1:
        raise _MalformedError("holds one text a line: pairs need a .tsv, .csv or .jsonl file")
    return ((line.removesuffix("\n").removesuffix("\r"),) for line in lines)


def _tsv(lines: Iterable[str], columns: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    return _table(csv.DictReader(lines, delimiter="\t"), columns)


def _csv(lines: Iterable[str], columns: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    return _table(csv.DictReader(lines), columns)


def _table(rows: "csv.DictReader[str]", columns: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    csv.field_size_limit(sys.maxsize)  # the module's own limit is 128 KiB
    for column in columns:
        if column not in (rows.fieldnames or ()):
            raise _MalformedError(
                f"no column {column!r}: the first line names {', '.join(rows.fieldnames or ()) or 'nothing'}"
            )
    for row in rows:
        yield _texts(row, columns, rows.line_num)


def _jsonl(lines: Iterable[str], columns: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError as error:
                raise _MalformedError(f"line {number}: {error}") from error
            yield _texts(row if isinstance(row, dict) else {}, columns, number)


def _texts(row: Mapping[str, object], columns: tuple[str, ...], number: int) -> tuple[str, ...]:
    return tuple(_text(row.get(column), column, number) for column in columns)


def _text(value: object, column: str, number: int) -> str:
    if not isinstance(value, str):
        raise _MalformedError(f"line {number} has no {column!r}")
    return value


_READERS = {".tsv": _tsv, ".csv": _csv, ".jsonl": _jsonl}
