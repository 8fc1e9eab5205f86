"""Labelled texts: a TSV, CSV or JSONL file in, a tuple of examples out; splits by the text's own hash.

The split of a text depends on nothing but the text, so the same sentence never stands in two splits, whatever
the order of the file, and a later, longer file keeps every sentence where it was.

A text has one label; for a model that gives several at once it has any number of them, none included.
"""

import csv
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tritext_export.errors import TextsError

Split = Literal["train", "dev", "test", "all"]
SPLITS: tuple[Split, ...] = ("train", "dev", "test", "all")
BUCKETS = 10
TEST_BUCKET, DEV_BUCKET = 0, 1
# Between the labels of one text in one cell, as Amazon Comprehend and pandas' get_dummies have it.
SEPARATOR = "|"

csv.field_size_limit(sys.maxsize)


@dataclass(frozen=True, slots=True)
class Example:
    """One text, or a pair of them, and what it is labelled.

    Attributes:
        text: The text.
        label: The name of its true label; several are joined by ``|``.
        pair: The second text, where the model reads two.
        labels: The names one by one, where a text may have any number of them; None where it has one.
        row: Its place in the file, from 1, for messages.
    """

    text: str
    label: str
    pair: str | None = None
    labels: tuple[str, ...] | None = None
    row: int | None = field(default=None, compare=False, repr=False)

    @property
    def label_set(self) -> tuple[str, ...]:
        """Its true labels, each once: one, or where a text may have any number of them all."""
        return (self.label,) if self.labels is None else self.labels


@dataclass(frozen=True, slots=True)
class Columns:
    """Where a file holds what: names of its columns, or of its objects' keys.

    Attributes:
        text: The text.
        label: The label, or with ``several`` also a column for each label, joined by commas.
        pair: The second text; None for single texts.
        several: Whether a text may have any number of labels.
    """

    text: str
    label: str
    pair: str | None
    several: bool = False


def split_of(text: str) -> Split:
    """Name the split a text belongs to: sha256 of its UTF-8 bytes, modulo ten; 0 is test, 1 is dev.

    Example:
        >>> split_of("Effective but too tepid biopic")
        'dev'
    """
    bucket = int.from_bytes(hashlib.sha256(text.encode()).digest(), "big") % BUCKETS
    return "test" if bucket == TEST_BUCKET else "dev" if bucket == DEV_BUCKET else "train"


def select(examples: Iterable[Example], split: Split) -> tuple[Example, ...]:
    """Keep the examples of one split, in their order; ``all`` keeps every one."""
    return tuple(e for e in examples if split in ("all", split_of(e.text)))


def label_names(examples: Iterable[Example]) -> tuple[str, ...]:
    """List the distinct labels in sorted order, which is the order of their ids."""
    return tuple(sorted({e.label for e in examples}))


def label_ids(examples: Sequence[Example], labels: Sequence[str]) -> list[int]:
    """Give the label of each example, which has one, as its index in ``labels``.

    Raises:
        TextsError: an example has a label that the model does not know.
    """
    return [only for (only,) in label_sets(examples, labels)]


def label_sets(examples: Sequence[Example], labels: Sequence[str]) -> list[list[int]]:
    """Give each example's labels, of which it may have none, as their indices in ``labels``.

    Raises:
        TextsError: an example has a label that the model does not know.
    """
    index = {name: i for i, name in enumerate(labels)}
    unknown = sorted({name for example in examples for name in example.label_set} - index.keys())
    if unknown:
        raise _unknown(unknown[0], next(e for e in examples if unknown[0] in e.label_set), labels)
    return [[index[name] for name in example.label_set] for example in examples]


def require_two_labels(examples: Sequence[Example], path: Path) -> None:
    """Refuse texts that are all labelled alike: a model that always says that would pass for a good one.

    Raises:
        TextsError: there is but one label, or one set of labels.
    """
    sets = {frozenset(e.label_set) for e in examples}
    if len(sets) == 1:
        labelled = f"every text is labelled {examples[0].label!r}" if examples[0].label_set else "no text has a label"
        raise TextsError(
            f"{path}: {labelled}, which proves nothing of a model with several labels: "
            "add texts with another label, or take --split all"
        )


def read_examples(
    path: Path,
    text_column: str = "text",
    label_column: str = "label",
    pair_column: str | None = None,
    *,
    several: bool = False,
) -> tuple[Example, ...]:
    """Read a labelled file; the suffix says which kind it is.

    Args:
        path: A ``.tsv`` or ``.csv`` file with a header line, or ``.jsonl`` with one object a line.
        text_column: Name of the column (or key) with the text.
        label_column: The one with the label; with ``several`` also one for each, of 1 or 0, joined by commas.
        pair_column: Name of the column (or key) with the second text of a pair; None where texts stand alone.
        several: Whether a text may have any number of labels: a JSON list of them, or a string with ``|`` between
            them, the empty one for none.

    Raises:
        TextsError: the file is missing, of another kind, not UTF-8, without those columns, or empty.
    """
    readers = {".tsv": _read_tsv, ".csv": _read_csv, ".jsonl": _read_jsonl}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise TextsError(f"{path}: cannot tell the format from {path.suffix!r}: name it .tsv, .csv or .jsonl")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            columns = Columns(text_column, label_column, pair_column, several)
            examples = tuple(_examples(reader(file), path, columns))
    except OSError as error:
        raise TextsError(f"{path}: {error.strerror}: give a file of labelled texts") from error
    except UnicodeDecodeError as error:
        raise TextsError(f"{path}: not UTF-8 at byte {error.start}: convert it first") from error
    except csv.Error as error:
        raise TextsError(f"{path}: {error}: {_QUOTES}") from error
    except _NotJson as error:
        raise TextsError(f"{path}: {error}: write one JSON object a line") from error
    if not examples:
        raise TextsError(f"{path}: holds no texts")
    return examples


def write_tsv(path: Path, examples: Iterable[Example]) -> None:
    """Write examples as a TSV file with the header ``text``, ``label``, and ``text_pair`` between them for pairs."""
    rows = [(e.text, e.label) if e.pair is None else (e.text, e.pair, e.label) for e in examples]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(("text", "text_pair", "label") if rows and len(rows[0]) == 3 else ("text", "label"))
        writer.writerows(rows)


_QUOTES = "close the quotes that a field begins with, and double those inside of it"


def _read_tsv(lines: Iterable[str]) -> Iterator[Mapping[str, object]]:
    return _read_rows(csv.DictReader(lines, delimiter="\t", strict=True))


def _read_csv(lines: Iterable[str]) -> Iterator[Mapping[str, object]]:
    return _read_rows(csv.DictReader(lines, strict=True))


def _read_rows(reader: "csv.DictReader[str]") -> Iterator[Mapping[str, object]]:
    """Hand rows on; a quote that is never closed makes one field of all lines below, so the row's first line counts."""
    while reader.fieldnames:  # asking for them reads the header
        began = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise csv.Error(f"line {began}: {error}") from error
        yield row


def _read_jsonl(lines: Iterable[str]) -> Iterator[Mapping[str, object]]:
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                row = json.loads(line.rstrip("\r\n"))
            except json.JSONDecodeError as error:
                raise _NotJson(f"line {number}: {error.msg} at character {error.pos + 1}") from error
            yield row if isinstance(row, dict) else {}


class _NotJson(ValueError):
    """A line that is no JSON, by its number."""


def _examples(rows: Iterable[Mapping[str, object]], path: Path, columns: Columns) -> Iterator[Example]:
    for number, row in enumerate(rows, start=1):
        where = f"{path}: row {number}"
        text = _text(row, columns.text, "--text-column", where)
        pair = None if columns.pair is None else _text(row, columns.pair, "--pair-column", where)
        if columns.several:
            labels = _labels(row, columns.label, where)
            yield Example(text, SEPARATOR.join(labels), pair, labels, row=number)
        else:
            yield Example(text, _label(row, columns.label, where), pair, row=number)


def _labels(row: Mapping[str, object], column: str, where: str) -> tuple[str, ...]:
    """Read any number of labels, each once."""
    value = row.get(column)
    names = column.split(",")
    if value is None and len(names) > 1 and set(names) <= row.keys():
        return tuple(name for name in names if _flag(row[name], name, where))
    if value is None:
        raise _lacking(row, column, "--label-column", where)
    listed = value if isinstance(value, list) else str(value).split(SEPARATOR) if value != "" else []
    if isinstance(value, dict) or any(one is None or isinstance(one, list | dict) for one in listed):
        shown = json.dumps(value, ensure_ascii=False)
        raise TextsError(f'{where} has {shown} for its {column!r}: give a list of labels, such as ["a", "b"] or []')
    return tuple(dict.fromkeys(map(str, listed)))


def _flag(value: object, column: str, where: str) -> bool:
    """Read whether a text has the label that a column is called by."""
    if value not in ("0", "1", 0, 1):
        raise TextsError(f"{where} has {value!r} for its {column!r}: write 1 where a text has the label, 0 where not")
    return value in ("1", 1)


def _label(row: Mapping[str, object], column: str, where: str) -> str:
    label = row.get(column)
    if label is None:
        raise _lacking(row, column, "--label-column", where)
    if label == "" or isinstance(label, list | dict):
        shown = json.dumps(label, ensure_ascii=False)
        raise TextsError(
            f"{where} has {shown} for its {column!r}: give each text one label: none or a list of them is for models "
            "that give several at once (problem_type multi_label_classification)"
        )
    return str(label)


def _text(row: Mapping[str, object], column: str, option: str, where: str) -> str:
    text = row.get(column)
    if not isinstance(text, str):
        raise _lacking(row, column, option, where)
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise TextsError(f"{where} holds half a surrogate pair, which is no text: mend or drop it")
    return text


def _unknown(label: str, example: Example, labels: Sequence[str]) -> TextsError:
    where = "" if example.row is None else f"in row {example.row} "
    return TextsError(
        f"{where}the texts carry the label {label!r}, the model knows {', '.join(map(repr, labels))}: "
        "rename the labels in the file, or name the model's own with --labels"
    )


def _lacking(row: Mapping[str, object], column: str, option: str, where: str) -> TextsError:
    present = ", ".join(map(repr, row)) or "nothing"
    return TextsError(f"{where} has no {column!r}: it has {present}; name the column with {option}")
