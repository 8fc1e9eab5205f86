"""Texts for the command line: a file, standard input or words in; a stream of texts out, never all at once."""

import csv
import json
import sys
from collections.abc import Iterable, Iterator
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
    where = "standard input" if name == STANDARD_INPUT else name
    try:
        if name == STANDARD_INPUT:
            yield from _lines(_decoded(sys.stdin.buffer))
            return
        with Path(name).open("rb") as file:
            reader = _READERS.get(Path(name).suffix.lower(), _lines)
            yield from reader(_decoded(file))
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


def _lines(lines: Iterable[str]) -> Iterator[str]:
    return (line.removesuffix("\n").removesuffix("\r") for line in lines)


def _tsv(lines: Iterable[str]) -> Iterator[str]:
    return _column(csv.DictReader(lines, delimiter="\t"))


def _csv(lines: Iterable[str]) -> Iterator[str]:
    return _column(csv.DictReader(lines))


def _column(rows: "csv.DictReader[str]") -> Iterator[str]:
    csv.field_size_limit(sys.maxsize)  # the module's own limit is 128 KiB
    if COLUMN not in (rows.fieldnames or ()):
        raise _MalformedError(
            f"no column {COLUMN!r}: the first line names {', '.join(rows.fieldnames or ()) or 'nothing'}"
        )
    for row in rows:
        yield _text(row.get(COLUMN), rows.line_num)


def _jsonl(lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError as error:
                raise _MalformedError(f"line {number}: {error}") from error
            yield _text(row.get(COLUMN) if isinstance(row, dict) else None, number)


def _text(value: object, number: int) -> str:
    if not isinstance(value, str):
        raise _MalformedError(f"line {number} has no {COLUMN!r}")
    return value


_READERS = {".tsv": _tsv, ".csv": _csv, ".jsonl": _jsonl}
