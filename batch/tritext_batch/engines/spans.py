"""What a driver and its workers hand to each other: where blocks begin, and their share of the output as columns. Pure.

Columns are plain bytes and numbers, so nothing of ours is pickled on the way back.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from tritext_batch.errors import ModelError
from tritext_batch.rows import Block, Scored

# Blocks of a span: enough that a worker's window is seldom half empty at the end of one.
BLOCKS = 2


@dataclass(frozen=True, slots=True)
class Span:
    """A run of blocks.

    Attributes:
        position: Where its first row begins.
        number: Of the row before.
        blocks: How many blocks there are.
    """

    position: int
    number: int
    blocks: int


def spans(blocks: Iterable[Block], position: int, number: int) -> Iterator[Span]:
    """Tell where each few blocks begin, the first behind row ``number`` at ``position``."""
    blocks = iter(blocks)
    while few := list(islice(blocks, BLOCKS)):
        yield Span(position, number, len(few))
        position, number = few[-1].position, few[-1].number


def as_columns(scored: Sequence[Scored], problem: str = "") -> dict[str, Any]:
    """Give blocks' shares as columns, one row for each, or one row that says what stopped the worker."""
    about = [json.dumps({"labels": dict(s.labels), "versions": s.versions}) for s in scored]
    if problem:
        scored, about = [Scored(0, 0, b"", b"")], [json.dumps({"problem": problem})]
    return {
        "number": np.array([s.number for s in scored], np.int64),
        "position": np.array([s.position for s in scored], np.int64),
        "output": _bytes([s.output for s in scored]),
        "rejected": _bytes([s.rejected for s in scored]),
        "rejections": np.array([s.rejections for s in scored], np.int64),
        "truncated": np.array([s.truncated for s in scored], np.int64),
        "about": np.array(about, np.object_),
    }


def from_columns(columns: Mapping[str, Any]) -> Iterator[Scored]:
    """Take the columns apart again.

    Raises:
        ModelError: a worker was stopped; the message is what it said.
    """
    for index, words in enumerate(columns["about"]):
        about = json.loads(words)
        if "problem" in about:
            raise ModelError(about["problem"])
        yield Scored(
            number=int(columns["number"][index]),
            position=int(columns["position"][index]),
            output=bytes(columns["output"][index]),
            rejected=bytes(columns["rejected"][index]),
            labels=about["labels"],
            rejections=int(columns["rejections"][index]),
            truncated=int(columns["truncated"][index]),
            versions=tuple(about["versions"]),
        )


def _bytes(values: list[bytes]) -> Any:
    """As objects: numpy's own byte strings lose zeros at the end."""
    column = np.empty(len(values), np.object_)
    column[:] = values
    return column
