"""Where a record of a table ends that is too long to be read: bytes in, a position out, a mebibyte in memory."""

import re
from typing import BinaryIO

_CHUNK = 1 << 20
_IN_QUOTES = re.compile(rb'(?:[^"]++|"")*+')
# A cell begins; goes on without quotes; goes on within them; a quote has come, which ends it or is the first of two;
# the record has ended.
_BEGUN, _PLAIN, _QUOTED, _ENDED, _OVER = range(5)


def end_of_record(file: BinaryIO, position: int, delimiter: str) -> int | None:
    """Find the end of a record: the next line break outside quotes, or the end of the file.

    A quote opens a quoted cell only where the cell begins: in ``5" disk`` it is a character like others.

    Args:
        file: Seekable.
        position: Where the record begins.
        delimiter: What stands between cells; one ASCII character.

    Returns:
        Where the next record begins; None where the file ends inside quotes.
    """
    file.seek(position)
    stop, state = re.compile(b"[\n%s]" % delimiter.encode()), _BEGUN
    while chunk := file.read(_CHUNK):
        at = 0
        while at < len(chunk):
            at, state = _step(chunk, at, state, stop)
            if state == _OVER:
                return position + at
        position += len(chunk)
    return None if state == _QUOTED else position


def _step(chunk: bytes, at: int, state: int, stop: "re.Pattern[bytes]") -> tuple[int, int]:
    """Go on until something changes; gives where that is, and what is there."""
    if state == _QUOTED:
        end = _IN_QUOTES.match(chunk, at).end()  # type: ignore[union-attr]  # it matches nothing, too
        return (end + 1, _ENDED) if end < len(chunk) else (end, _QUOTED)
    if state == _PLAIN:
        if (found := stop.search(chunk, at)) is None:
            return len(chunk), _PLAIN
        return found.end(), _OVER if found[0] == b"\n" else _BEGUN
    return (at + 1, _QUOTED) if chunk[at : at + 1] == b'"' else (at, _PLAIN)
