"""A text a line: plain files in. Out they go as a table or as JSON lines, since a line has no room for a label."""

from collections.abc import Iterator
from typing import BinaryIO

from tritext_batch.formats.grouping import Found, Limits, group
from tritext_batch.formats.lines import Line, read_lines, skip_mark
from tritext_batch.rows import Block, Row

TOO_LONG = "longer than {limit} bytes: raise --max-row-bytes, or cut it"


def decode(data: bytes) -> tuple[str | None, str]:
    """Give the text of UTF-8 bytes and no reason, or no text and the reason."""
    try:
        return data.decode(), ""
    except UnicodeDecodeError as error:
        return None, f"not UTF-8: byte {data[error.start]:#04x} at {error.start}"


class TextReader:
    """Reads a line as a text; an empty line is an empty text."""

    columns = ("text",)

    def __init__(self, file: BinaryIO, name: str, column: str, limits: Limits) -> None:
        del column  # a line has none
        self._file, self._limits = file, limits
        self.start = skip_mark(file, name)

    def blocks(self, position: int, number: int) -> Iterator[Block]:
        """Read on behind row ``number``, which ends at ``position``."""
        return group(self._rows(position, number), self._limits)

    def _rows(self, position: int, number: int) -> Iterator[Found]:
        whole = True
        for line in read_lines(self._file, position, self._limits.row_bytes):
            number += whole
            if whole and line.complete:
                yield Found(_row(line, number), number, line.end, len(line.data))
            elif line.complete:
                reason = TOO_LONG.format(limit=self._limits.row_bytes)
                yield Found(Row(number, None, reason), number, line.end, 0)
            whole = line.complete
        if not whole:  # the file ends with exactly as many bytes as one piece has
            end = self._file.tell()
            yield Found(Row(number, None, TOO_LONG.format(limit=self._limits.row_bytes)), number, end, 0)


def _row(line: Line, number: int) -> Row:
    text, reason = decode(line.data.removesuffix(b"\n").removesuffix(b"\r"))
    return Row(number, text, reason, (text,))
