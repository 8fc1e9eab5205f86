"""Physical lines of a binary file, no longer than a limit in memory: bytes in, lines and where they end out."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from tritext_batch.errors import InputError

UTF8_MARK = b"\xef\xbb\xbf"
# Marks of encodings that hold a zero byte in most characters, with the names that tell a user what to convert from.
FOREIGN_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16", b"\x00\x00\xfe\xff": "UTF-32"}
# Two letters in UTF-16 without a mark, which would pass for UTF-8.
_WIDE = {re.compile(rb"[^\0]\0[^\0]\0"): "UTF-16LE", re.compile(rb"\0[^\0]\0[^\0]"): "UTF-16BE"}
# Files that are no text at all, with what undoes that.
PACKED_MARKS = {b"\x1f\x8b": "gunzip", b"\x28\xb5\x2f\xfd": "unzstd", b"PK\x03\x04": "unzip", b"BZh": "bunzip2"}


@dataclass(frozen=True, slots=True)
class Line:
    """One line.

    Attributes:
        data: Its bytes with the line break; the first ``limit`` of them where it is longer.
        end: Where the next line begins.
        complete: Whether all of it is here.
    """

    data: bytes
    end: int
    complete: bool = True


def skip_mark(file: BinaryIO, name: str) -> int:
    """Go to where the text begins; gives that position.

    Raises:
        InputError: the file begins as one of another encoding than UTF-8, or as a compressed one.
    """
    file.seek(0)
    begin = file.read(4)
    for mark, encoding in FOREIGN_MARKS.items():
        if begin.startswith(mark):
            raise InputError(f"{name}: is {encoding}: convert it first: iconv -f {encoding} -t UTF-8")
    for letters, encoding in _WIDE.items():
        if letters.fullmatch(begin):
            raise InputError(f"{name}: is {encoding} by its looks: convert it first: iconv -f {encoding} -t UTF-8")
    for mark, tool in PACKED_MARKS.items():
        if begin.startswith(mark):
            raise InputError(f"{name}: is compressed: unpack it first, with {tool}")
    start = len(UTF8_MARK) if begin.startswith(UTF8_MARK) else 0
    file.seek(start)
    return start


def read_lines(file: BinaryIO, position: int, limit: int) -> Iterator[Line]:
    """Read from ``position`` on, with never more than ``limit`` bytes of a line at once.

    A line that is longer comes in pieces, of which all but the last are not ``complete``.
    """
    file.seek(position)
    while data := file.readline(limit):
        position += len(data)
        yield Line(data, position, data.endswith(b"\n") or len(data) < limit)
