"""Rows in, blocks out: as many as one step of a job takes, bounded in number and in size."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tritext_batch.rows import Block, Row


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds the memory of a job.

    Attributes:
        rows: Most rows of a block.
        block_bytes: A block ends when its rows have as many bytes.
        row_bytes: Longest row that is read; a longer one is rejected.
    """

    rows: int = 1024
    block_bytes: int = 4 << 20
    row_bytes: int = 8 << 20


@dataclass(frozen=True, slots=True)
class Found:
    """What a reader met.

    Attributes:
        row: The row; None for an empty line, which only counts.
        number: Its number.
        end: Where the next one begins.
        size: Bytes that it holds in memory.
    """

    row: Row | None
    number: int
    end: int
    size: int


def group(found: Iterable[Found], limits: Limits) -> Iterator[Block]:
    """Gather rows into blocks, in order; empty lines at the end of a file make a block without rows."""
    rows: list[Row] = []
    size, last = 0, None
    for each in found:
        last = each
        if each.row is not None:
            rows.append(each.row)
            size += each.size
        if len(rows) >= limits.rows or size >= limits.block_bytes:
            yield Block(tuple(rows), each.number, each.end)
            rows, size, last = [], 0, None
    if last is not None:
        yield Block(tuple(rows), last.number, last.end)
