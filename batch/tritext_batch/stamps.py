"""What tells one content from another: a mark, or the bytes themselves."""

from dataclasses import dataclass
from typing import BinaryIO

_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Stamp:
    """An input's content, as far as its size and its mark tell.

    Attributes:
        size: Bytes.
        mark: An ETag, or the time of the last change.
    """

    size: int
    mark: str


def same(ours: BinaryIO, theirs: BinaryIO) -> bool:
    """Whether two files hold the same bytes from where they are to their ends."""
    while block := ours.read(_BLOCK_BYTES):
        if theirs.read(len(block)) != block:
            return False
    return not theirs.read(1)
