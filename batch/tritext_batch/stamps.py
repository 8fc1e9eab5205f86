"""What tells one content of an input from another."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stamp:
    """An input's content, as far as its size and its mark tell.

    Attributes:
        size: Bytes.
        mark: An ETag, or the time of the last change.
    """

    size: int
    mark: str
