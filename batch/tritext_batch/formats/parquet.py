"""Parquet, by pyarrow, which this module alone imports (`pip install 'tritext[batch]'`).

Rows are read a few at a time whatever a row group holds. What is scored is kept as an Arrow IPC stream, which can be
cut behind any batch and gone on with, as a Parquet file cannot; at the end of the job it becomes one.
"""

from collections.abc import Iterator
from typing import Any, BinaryIO

from tritext import Prediction
from tritext_batch.errors import InputError, first_line
from tritext_batch.formats.grouping import Limits
from tritext_batch.rows import Block, Row

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ImportError as missing:
    raise InputError(f"Parquet: {missing}: run `pip install 'tritext[batch]'`") from missing

_BUFFER = 1 << 20
_GROUP_ROWS, _GROUP_BYTES = 1 << 16, 32 << 20
# What pyarrow raises at damaged bytes: thrift's and the codecs' errors are of the second kind.
_UNREADABLE = (pa.ArrowException, OSError)


class ParquetReader:
    """Reads the column ``column``; positions are numbers of rows."""

    start = 0

    def __init__(self, file: BinaryIO, name: str, column: str, limits: Limits) -> None:
        try:
            # Buffered streams instead of whole column chunks: memory does not follow the size of a row group.
            self._file = pq.ParquetFile(file, buffer_size=_BUFFER, pre_buffer=False)
        except _UNREADABLE as error:
            raise InputError(f"{name}: not Parquet: {first_line(error)}") from error
        self._name, self._column, self._limits = name, column, limits
        self.schema: pa.Schema = self._file.schema_arrow
        self._check(self.schema)

    def _check(self, schema: Any) -> None:
        if schema.names.count(self._column) != 1:
            named = ", ".join(map(repr, schema.names[:20]))
            raise InputError(
                f"{self._name}: {schema.names.count(self._column)} columns are called {self._column!r}; "
                f"there are {named}: name one with --column"
            )
        kind = schema.field(self._column).type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
            raise InputError(f"{self._name}: column {self._column!r} is of type {kind}, not string: cast it first")

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns' names."""
        return tuple(self.schema.names)

    @property
    def total(self) -> int:
        """How many rows there are."""
        return int(self._file.metadata.num_rows)

    def blocks(self, position: int, number: int) -> Iterator[Block]:
        """Read on behind row ``number``, which is ``position``."""
        for batch in self._batches(position):
            position += batch.num_rows
            yield Block(tuple(self._rows(batch, number)), position, position, batch)
            number = position

    def _batches(self, position: int) -> Iterator[Any]:
        first, skipped = 0, 0
        metadata = self._file.metadata
        while first < metadata.num_row_groups and skipped + metadata.row_group(first).num_rows <= position:
            skipped += metadata.row_group(first).num_rows
            first += 1
        left = position - skipped
        try:
            for group in range(first, metadata.num_row_groups):
                for batch in self._file.iter_batches(self._batch_rows(group), row_groups=[group], use_threads=False):
                    if left < batch.num_rows:
                        yield batch.slice(left)
                    left = max(0, left - int(batch.num_rows))
        except _UNREADABLE as error:
            raise InputError(f"{self._name}: cannot be read behind row {position}: {first_line(error)}") from error

    def _batch_rows(self, group: int) -> int:
        """As many rows as are a block's bytes on average."""
        about = self._file.metadata.row_group(group)
        each = max(1, int(about.total_byte_size) // max(1, int(about.num_rows)))
        return max(1, min(self._limits.rows, self._limits.block_bytes // each))

    def _rows(self, batch: Any, number: int) -> Iterator[Row]:
        for index, cell in enumerate(batch.column(self._column)):
            text, reason = self._text(cell)
            yield Row(number + index + 1, text, reason, index)

    def _text(self, cell: Any) -> tuple[str | None, str]:
        try:
            text = cell.as_py()
        except UnicodeDecodeError:
            return None, "not UTF-8"
        if text is None:
            return None, f"{self._column!r} is null"
        if len(text) > self._limits.row_bytes:
            return None, f"longer than {self._limits.row_bytes} bytes: raise --max-row-bytes, or cut it"
        return text, ""


class ParquetEncoder:
    """Writes the columns that there were and three more."""

    def __init__(self, names: tuple[str, str, str], schema: Any) -> None:
        added = zip(names, (pa.string(), pa.float32(), pa.string()), strict=True)
        plain = (column.with_type(_plain(column.type)) for column in schema)
        self._schema = pa.schema([*plain, *(pa.field(name, kind) for name, kind in added)], schema.metadata)

    def header(self) -> bytes:
        """The schema's message."""
        return bytes(self._schema.serialize())

    def encode(self, block: Block, answers: list[tuple[Row, Prediction]]) -> bytes:
        """Write the answered rows as one record batch's message."""
        kept = block.carried.take(pa.array([row.carried for row, _ in answers], pa.int64()))
        kinds = self._schema.types[: kept.num_columns]
        given = [c if c.type == kind else c.cast(kind) for c, kind in zip(kept.columns, kinds, strict=True)]
        columns = [
            pa.array([answer.label for _, answer in answers], pa.string()),
            pa.array([answer.score for _, answer in answers], pa.float32()),
            pa.array([answer.model_version for _, answer in answers], pa.string()),
        ]
        return bytes(pa.RecordBatch.from_arrays([*given, *columns], schema=self._schema).serialize())


def _plain(kind: Any) -> Any:
    """Take dictionaries off a type, within others too: an Arrow stream has them beside its batches, not in them."""

    def inner(field: Any) -> Any:
        return field.with_type(_plain(field.type))

    if pa.types.is_dictionary(kind):
        return _plain(kind.value_type)
    if pa.types.is_struct(kind):
        return pa.struct([inner(kind.field(i)) for i in range(kind.num_fields)])
    if pa.types.is_map(kind):
        return pa.map_(inner(kind.key_field), inner(kind.item_field), keys_sorted=kind.keys_sorted)
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(inner(kind.value_field), kind.list_size)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return (pa.list_ if pa.types.is_list(kind) else pa.large_list)(inner(kind.value_field))
    return kind


def write_parquet(stream: BinaryIO, target: BinaryIO) -> None:
    """Turn what the encoder has written into a Parquet file, with row groups of a readable size."""
    reader = pa.ipc.open_stream(stream)
    with pq.ParquetWriter(target, reader.schema) as writer:
        waiting: list[Any] = []
        for batch in reader:
            waiting.append(batch)
            if sum(b.num_rows for b in waiting) >= _GROUP_ROWS or sum(b.nbytes for b in waiting) >= _GROUP_BYTES:
                writer.write_table(pa.Table.from_batches(waiting))
                waiting = []
        if waiting:
            writer.write_table(pa.Table.from_batches(waiting))
