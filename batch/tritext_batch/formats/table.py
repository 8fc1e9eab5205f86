"""CSV and TSV, as RFC 4180 quotes them: cells with line breaks and quotes are one row wherever they end.

Positions are bytes, as for lines: the csv module asks for a line when it needs one, so a row ends where the last line
it asked for ends.
"""

import csv
import io
import sys
from collections.abc import Iterator
from typing import BinaryIO

from tritext import Prediction
from tritext_batch.errors import InputError
from tritext_batch.formats.grouping import Found, Limits, group
from tritext_batch.formats.jsonl import checked
from tritext_batch.formats.lines import Line, read_lines, skip_mark
from tritext_batch.formats.records import end_of_record
from tritext_batch.formats.text import TOO_LONG
from tritext_batch.rows import Block, Row

# What the csv module says where the file ends inside a cell.
_UNCLOSED = "unexpected end of data"


class _TooLongError(Exception):
    """A record has more bytes than may be in memory."""


class _Feed:
    """Lines for the csv module, which remembers how far it has read and stops it at records without an end."""

    def __init__(self, lines: Iterator[Line], position: int, limit: int) -> None:
        self._lines, self._limit = lines, limit
        self.position = self.start = position
        self.size = 0
        self.bad_bytes = False

    def begin(self) -> None:
        """A new record begins."""
        self.start, self.size, self.bad_bytes = self.position, 0, False

    def __iter__(self) -> "_Feed":
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.position = line.end
        self.size += len(line.data)
        if not line.complete or self.size > self._limit:
            raise _TooLongError
        try:
            return line.data.decode()
        except UnicodeDecodeError:
            self.bad_bytes = True
            return line.data.decode(errors="surrogateescape")


class TableReader:
    """Reads the column ``column``; the first record names the columns."""

    delimiter = ","

    def __init__(self, file: BinaryIO, name: str, column: str, limits: Limits) -> None:
        csv.field_size_limit(sys.maxsize)  # the module's own is 128 KiB; ours bounds whole records
        self._file, self._name, self._column, self._limits = file, name, column, limits
        feed = self._feed(skip_mark(file, name))
        try:
            self.columns = tuple(next(filter(None, self._records(feed)), ()))
        except (_TooLongError, csv.Error) as error:
            raise InputError(f"{name}: its first line is no header: {str(error) or 'too long'}") from error
        if feed.bad_bytes:
            raise InputError(f"{name}: its first line is not UTF-8: convert the file first, with iconv")
        self.start = feed.position
        if self.columns and self.columns.count(column) != 1:
            named = ", ".join(map(repr, self.columns[:20]))
            raise InputError(
                f"{name}: {self.columns.count(column)} columns are called {column!r}; there are {named}: "
                f"name one with --column{self._hint()}"
            )

    def blocks(self, position: int, number: int) -> Iterator[Block]:
        """Read on behind record ``number``, which ends at ``position``."""
        return group(self._rows(position, number), self._limits)

    def _feed(self, position: int) -> _Feed:
        limit = self._limits.row_bytes
        return _Feed(read_lines(self._file, position, limit), position, limit)

    def _records(self, feed: _Feed) -> Iterator[list[str]]:
        return csv.reader(feed, delimiter=self.delimiter, strict=True)

    def _rows(self, position: int, number: int) -> Iterator[Found]:
        feed = self._feed(position)
        records = self._records(feed)
        while True:
            feed.begin()
            try:
                cells = next(records)
            except StopIteration:
                return
            except _TooLongError:
                number += 1
                feed = self._feed(self._end_of(feed, number))
                records = self._records(feed)
                reason = TOO_LONG.format(limit=self._limits.row_bytes)
                yield Found(Row(number, None, reason), number, feed.position, 0)
            except csv.Error as error:
                number += 1
                if _UNCLOSED in str(error):
                    raise self._unclosed(number) from error
                yield Found(Row(number, None, f"not {self._kind}: {error}"), number, feed.position, 0)
            else:
                number += bool(cells)
                yield Found(self._row(cells, number, feed), number, feed.position, feed.size)

    def _hint(self) -> str:
        """Say that the delimiter may be another one, where the header holds one and names a single column."""
        found = [repr(mark) for mark in ";\t|," if len(self.columns) == 1 and mark in self.columns[0]]
        return f", or write {self.delimiter!r} between the cells instead of {found[0]}" if found else ""

    @property
    def _kind(self) -> str:
        return "CSV" if self.delimiter == "," else "TSV"

    def _end_of(self, feed: _Feed, number: int) -> int:
        """Tell where a record that is too long ends."""
        end = end_of_record(self._file, feed.start, self.delimiter)
        if end is None:
            raise self._unclosed(number)
        return end

    def _unclosed(self, number: int) -> InputError:
        return InputError(f"{self._name}: a quote that opens in row {number} is never closed: mend it and start again")

    def _row(self, cells: list[str], number: int, feed: _Feed) -> Row | None:
        if not cells:
            return None
        if len(cells) != len(self.columns):
            return Row(number, None, f"{len(cells)} cells where the header names {len(self.columns)}")
        if feed.bad_bytes:
            return Row(number, None, "not UTF-8")
        text, reason = checked(cells[self.columns.index(self._column)])
        return Row(number, text, reason, tuple(cells))


class TabReader(TableReader):
    """The same with tabs between cells."""

    delimiter = "\t"


class TableEncoder:
    """Writes the cells that there were and three more."""

    delimiter = ","

    def __init__(self, names: tuple[str, str, str], columns: tuple[str, ...]) -> None:
        self._heading = (*columns, *names) if columns else ()

    def header(self) -> bytes:
        """Name the columns."""
        return self._lines([self._heading] if self._heading else [])

    def encode(self, block: Block, answers: list[tuple[Row, Prediction]]) -> bytes:
        """Write a record for each answered row."""
        return self._lines([(*row.carried, a.label, f"{a.score:.6f}", a.model_version) for row, a in answers])

    def _lines(self, records: list[tuple[str, ...]]) -> bytes:
        stream = io.StringIO()
        plain = csv.writer(stream, delimiter=self.delimiter, lineterminator="\n")
        quoted = csv.writer(stream, delimiter=self.delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL)
        for record in records:
            # The csv module leaves a lone carriage return bare, and then does not read its own line back.
            (quoted if any("\r" in cell for cell in record) else plain).writerow(record)
        return stream.getvalue().encode()


class TabEncoder(TableEncoder):
    """The same with tabs between cells."""

    delimiter = "\t"
