"""What flows through a job: blocks of rows in, an answer for each row out. Values alone.

input ──reader──► Block of Rows ──scorer──► Answers ──encoder──► Scored: bytes for the output, where to go on
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tritext import Prediction


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the input.

    Attributes:
        number: Counted from 1: the line of a text or JSONL file, the record of a CSV or Parquet file.
        text: What is classified; None for a bad row.
        reason: Why a bad row is one; empty for others.
        carried: What the encoder needs to write the row again; each format has its own.
    """

    number: int
    text: str | None
    reason: str = ""
    carried: Any = None


@dataclass(frozen=True, slots=True)
class Block:
    """Rows that are read, scored and written together.

    Attributes:
        rows: In the input's order.
        number: Of the last row seen, whether or not it is one of ``rows`` (empty lines are not).
        position: Where the next row begins: a byte of a line format, a row of a Parquet file.
        carried: What the encoder needs of all rows at once.
    """

    rows: tuple[Row, ...]
    number: int
    position: int
    carried: Any = None


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why the server will not take a text."""

    reason: str


Answer = Prediction | Rejection


@dataclass(frozen=True, slots=True)
class Scored:
    """A block's share of the output.

    Attributes:
        number: As the block's.
        position: As the block's.
        output: Bytes to append to the rows.
        rejected: Bytes to append to the rejected rows, JSON lines.
        labels: How many rows have each label.
        rejections: How many rows were rejected.
        truncated: How many texts were longer than the model reads.
        versions: The model's versions that answered.
    """

    number: int
    position: int
    output: bytes
    rejected: bytes
    labels: Mapping[str, int] = field(default_factory=dict)
    rejections: int = 0
    truncated: int = 0
    versions: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """How many rows it has, rejected ones included."""
        return sum(self.labels.values()) + self.rejections


def tally(words: Iterable[str]) -> dict[str, int]:
    """Count how often each word comes, in the order of the words."""
    counts: dict[str, int] = {}
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    return dict(sorted(counts.items()))
