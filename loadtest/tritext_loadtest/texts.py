"""A file's texts, repeated or cut to a number; and the same as items that a model reads, joined to make long ones.

The suffix says what a file is, as for the export: ``.csv``, ``.jsonl``, anything else is TSV.
"""

import csv
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tritext_loadtest.errors import TextsError, in_words


@dataclass(frozen=True, slots=True)
class Item:
    """What a model reads at once: a text, or a pair of them."""

    text: str
    pair: str | None = None


def read_texts(path: Path, count: int, column: str = "text") -> list[str]:
    """Read the texts of a file.

    Args:
        path: The file.
        count: How many to return; they start over when the file is used up.
        column: Where they stand.

    Raises:
        TextsError: the file cannot be read or has no such column.
    """
    texts = [item.text for item in _read(path, column, None, count)]
    return list(itertools.islice(itertools.cycle(texts), count))


def read_items(path: Path, text_column: str = "text", pair_column: str | None = None) -> list[Item]:
    """Read every different text of a file, in its order.

    Args:
        path: The file.
        text_column: Where the text stands.
        pair_column: Where the second text stands, for a model that reads two.

    Raises:
        TextsError: the file cannot be read or has no such column.
    """
    return list(dict.fromkeys(_read(path, text_column, pair_column, None)))


def join_long(items: Sequence[Item], characters: int, count: int) -> list[Item]:
    """Make long items of short ones, one after another, each of at least so many characters.

    Args:
        items: At least one, of which one is not empty; the last may be used again.
        characters: The least length of a text.
        count: How many to make.
    """
    source = itertools.cycle([item for item in items if item.text.strip()] or [Item("text")])
    return [_join(source, characters) for _ in range(count)]


def _join(source: Iterator[Item], characters: int) -> Item:
    taken = [next(source)]
    while sum(len(item.text) + 1 for item in taken) <= characters:
        taken.append(next(source))
    pairs = [item.pair for item in taken if item.pair is not None]
    return Item(" ".join(item.text for item in taken), pairs[0] if pairs else None)


def _read(path: Path, text: str, pair: str | None, count: int | None) -> list[Item]:
    wanted = {text: "--text-column"} | ({} if pair is None else {pair: "--pair-column"})
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(itertools.islice(_rows(path, file), count))
    except (OSError, ValueError, csv.Error) as error:
        raise TextsError(
            f"{path}: {in_words(error)}: give a TSV file (or .csv, .jsonl) with a column `{text}`"
        ) from error
    for number, row in enumerate(rows, 1):
        for column, option in wanted.items():
            if not isinstance(row.get(column), str):
                lacking = f"{_missing(path, row, column)}: name it with {option}"
                raise TextsError(lacking if number == 1 else _gap(path, number, column))
    if not rows:
        raise TextsError(f"{path}: holds no texts")
    return [Item(row[text], row[pair] if pair else None) for row in rows]


def _missing(path: Path, row: Mapping[str, Any], column: str) -> str:
    there = ", ".join(f"`{str(name)[:40]}`" for name in row if name) or "none"
    return f"{path}: has no column `{column}`; there is {there}"


def _gap(path: Path, number: int, column: str) -> str:
    return f"{path}: row {number} has no `{column}`: complete it or take it out"


def _rows(path: Path, file: IO[str]) -> Iterator[Mapping[str, Any]]:
    if path.suffix == ".jsonl":
        for line in file:
            row = json.loads(line)
            if not isinstance(row, dict):
                raise ValueError(f"{line.strip()[:40]!r} is no JSON object")
            yield row
    else:
        yield from csv.DictReader(file, delimiter="," if path.suffix == ".csv" else "\t", strict=True)
