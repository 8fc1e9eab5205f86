"""The formats of input and output: which there are, which goes out as which, and who reads and writes them."""

from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import BinaryIO, Protocol

from tritext import Prediction
from tritext_batch.errors import InputError, OutputError
from tritext_batch.formats.grouping import Limits
from tritext_batch.formats.jsonl import JsonlEncoder, JsonlReader
from tritext_batch.formats.table import TabEncoder, TableEncoder, TableReader, TabReader
from tritext_batch.formats.text import TextReader
from tritext_batch.rows import Block, Row

TEXT, JSONL, CSV, TSV, PARQUET = "text", "jsonl", "csv", "tsv", "parquet"
KINDS = (TEXT, JSONL, CSV, TSV, PARQUET)
_SUFFIXES = {".txt": TEXT, ".text": TEXT, ".jsonl": JSONL, ".ndjson": JSONL, ".csv": CSV, ".tsv": TSV}
_SUFFIXES |= {".parquet": PARQUET, ".pq": PARQUET}
# What each may become. A row of a table is an object too; the other ways round would lose types or have no columns.
GOES_OUT_AS = {
    TEXT: (TSV, CSV, JSONL),
    JSONL: (JSONL,),
    CSV: (CSV, TSV, JSONL),
    TSV: (TSV, CSV, JSONL),
    PARQUET: (PARQUET,),
}
_READERS: dict[str, Callable[[BinaryIO, str, str, Limits], "Reader"]] = {
    TEXT: TextReader,
    JSONL: JsonlReader,
    CSV: TableReader,
    TSV: TabReader,
}
_ENCODERS: dict[str, Callable[[tuple[str, str, str], tuple[str, ...]], "Encoder"]] = {
    JSONL: JsonlEncoder,
    CSV: TableEncoder,
    TSV: TabEncoder,
}
ADDED = ("label", "score", "model_version")


class Reader(Protocol):
    """What all formats do."""

    start: int

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns' names; none where each row has keys of its own."""

    def blocks(self, position: int, number: int) -> Iterator[Block]:
        """Read on behind row ``number``, which ends at ``position``: 0 and ``start`` for the whole input."""


class Encoder(Protocol):
    """What all formats do."""

    def header(self) -> bytes:
        """What stands before all rows."""

    def encode(self, block: Block, answers: list[tuple[Row, Prediction]]) -> bytes:
        """Write the answered rows of a block."""


def kind_of(uri: str) -> str | None:
    """Tell the format by a name's suffix; None where it says nothing."""
    name = uri.partition("?")[0] if "://" in uri else uri
    return _SUFFIXES.get(PurePosixPath(name).suffix.lower())


def open_reader(kind: str, file: BinaryIO, name: str, column: str, limits: Limits) -> Reader:
    """Read a seekable file.

    Raises:
        InputError: it is not of that kind, or has no such column.
    """
    if kind != PARQUET:
        return _READERS[kind](file, name, column, limits)
    from tritext_batch.formats.parquet import ParquetReader

    return ParquetReader(file, name, column, limits)


def open_encoder(kind: str, reader: Reader, prefix: str) -> Encoder:
    """Write what ``reader`` reads as ``kind``, with three more columns whose names begin with ``prefix``.

    Raises:
        InputError: the input has one of these columns already, or one twice, of which an object could hold but one.
        OutputError: what is read cannot be written so.
    """
    label, score, version = (prefix + name for name in ADDED)
    _check_columns(kind, reader.columns, (label, score, version))
    if kind != PARQUET:
        return _ENCODERS[kind]((label, score, version), reader.columns)
    from tritext_batch.formats.parquet import ParquetEncoder, ParquetReader

    if not isinstance(reader, ParquetReader):
        raise OutputError("only Parquet goes out as Parquet")
    return ParquetEncoder((label, score, version), reader.schema)


def _check_columns(kind: str, columns: tuple[str, ...], names: tuple[str, ...]) -> None:
    if taken := [name for name in names if name in columns]:
        raise InputError(
            f"the input has a column {taken[0]!r} already: name the new ones otherwise: --prefix predicted_"
        )
    if kind == JSONL and (twice := [name for name in columns if columns.count(name) > 1]):
        raise InputError(f"the input has two columns {twice[0]!r}, an object has one: rename one, or write CSV")


def check_pair(input_kind: str, output_kind: str) -> None:
    """Refuse an output that the input cannot become.

    Raises:
        OutputError: naming what it can become.
    """
    if output_kind not in GOES_OUT_AS[input_kind]:
        ways = " or ".join(GOES_OUT_AS[input_kind])
        raise OutputError(f"{input_kind} cannot go out as {output_kind}: take {ways}")


__all__ = ["ADDED", "GOES_OUT_AS", "KINDS", "Encoder", "Limits", "Reader", "check_pair", "kind_of", "open_encoder"]
__all__ += ["open_reader"]
