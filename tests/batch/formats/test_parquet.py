"""Parquet: any row groups, types kept, rows without a text, and a stream that becomes a file."""

import datetime
import io
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.batch.formats.reading import LIMITS, blocks, gone_on, rows, written
from tritext_batch.errors import InputError
from tritext_batch.formats.grouping import Limits
from tritext_batch.formats.parquet import write_parquet


def parquet(table: pa.Table, group: int = 1000) -> bytes:
    stream = io.BytesIO()
    pq.write_table(table, stream, row_group_size=group)
    return stream.getvalue()


def table(texts: list[str | None]) -> pa.Table:
    days = [datetime.date(2026, 1, 1)] * len(texts)
    kinds = pa.array(["k"] * len(texts)).dictionary_encode()
    return pa.table({"day": pa.array(days, pa.date32()), "kind": kinds, "text": pa.array(texts, pa.string())})


def read_back(stream: bytes) -> pa.Table:
    whole = io.BytesIO()
    write_parquet(io.BytesIO(stream), whole)
    return pq.read_table(whole)


def test_columns_keep_their_types_and_bad_rows_are_left_out() -> None:
    found = read_back(written("parquet", "parquet", parquet(table(["ab", None, "x" * 65, "c"])), limits=LIMITS))
    assert found.column_names == ["day", "kind", "text", "label", "score", "model_version"]
    assert [str(kind) for kind in found.schema.types] == [
        "date32[day]",
        "string",
        "string",
        "string",
        "float",
        "string",
    ]
    assert found.column("text").to_pylist() == ["ab", "c"]
    assert found.column("label").to_pylist() == ["negative", "positive"]
    bad = [(r.number, r.reason) for r in rows("parquet", parquet(table(["ab", None, "x" * 65]))) if r.text is None]
    assert bad == [(2, "'text' is null"), (3, "longer than 64 bytes: raise --max-row-bytes, or cut it")]


@pytest.mark.parametrize("outer", ["struct", "list", "large list", "pair", "map", "list of structs"])
def test_dictionaries_within_other_types_come_out_plain(outer: str) -> None:
    words = pa.array(["k", "l", "k", "l"]).dictionary_encode()
    struct = pa.StructArray.from_arrays([words], ["a"])
    column = {
        "struct": struct,
        "list": pa.ListArray.from_arrays([0, 2, 2, 3, 4], words),
        "large list": pa.LargeListArray.from_arrays([0, 2, 2, 3, 4], words),
        "pair": pa.FixedSizeListArray.from_arrays(pa.concat_arrays([words, words]), 2),
        "map": pa.MapArray.from_arrays([0, 1, 2, 3, 4], pa.array(["1", "2", "3", "4"]), words),
        "list of structs": pa.ListArray.from_arrays([0, 2, 2, 3, 4], struct),
    }[outer]
    content = parquet(pa.table({"text": ["a", None, "c", "d"], "more": column}))
    found = read_back(written("parquet", "parquet", content))
    assert found.column("more").to_pylist() == [value for n, value in enumerate(column.to_pylist()) if n != 1]
    assert "dictionary" not in str(found.schema)


def test_bytes_that_are_no_text_are_a_bad_row() -> None:
    broken = pa.StringArray.from_buffers(1, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xe4"))
    (row,) = rows("parquet", parquet(pa.table({"text": broken})))
    assert row.reason == "not UTF-8"


def test_who_lacks_pyarrow_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "tritext_batch.formats.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"^Parquet: .*pyarrow.*: run `pip install 'tritext\[batch\]'`$"):
        blocks("parquet", parquet(table(["a"])))


def test_no_rows_make_a_file_with_columns() -> None:
    assert read_back(written("parquet", "parquet", parquet(table([])))).column_names[-1] == "model_version"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"PAR1 or not", "not Parquet"),
        (b"", "not Parquet"),
        (parquet(pa.table({"text": [1]})), "column 'text' is of type int64, not string: cast it first"),
        (parquet(pa.table({"review": ["a"]})), "0 columns are called 'text'; there are 'review'"),
    ],
)
def test_what_cannot_be_read_is_said(content: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words):
        blocks("parquet", content)


@pytest.mark.parametrize("damaged", [slice(4, 64), slice(-40, -8)], ids=["a page", "the footer"])
def test_damaged_bytes_are_an_error_of_the_input_in_one_line(damaged: slice) -> None:
    content = bytearray(parquet(table(["abc" * 100] * 50)))
    content[damaged] = b"\xff" * len(content[damaged])
    with pytest.raises(InputError, match=r"^in: [^\n]*$"):
        blocks("parquet", bytes(content))


def test_a_column_that_is_taken_stops_the_job() -> None:
    with pytest.raises(InputError, match="the input has a column 'score' already"):
        written("parquet", "parquet", parquet(pa.table({"text": ["a"], "score": [1.0]})))


@settings(max_examples=25)
@given(st.lists(st.one_of(st.none(), st.text(max_size=5)), max_size=12), st.integers(1, 5), st.integers(1, 5))
def test_going_on_behind_any_block_reads_the_same(texts: list[str | None], group: int, size: int) -> None:
    content, limits = parquet(table(texts), group), Limits(rows=size)
    assert [row.text for row in rows("parquet", content, limits)] == texts
    whole, parts = blocks("parquet", content, limits), gone_on("parquet", content, limits)
    assert [(row.number, row.text) for b in parts for row in b.rows] == [
        (r.number, r.text) for b in whole for r in b.rows
    ]
    assert sum(block.carried.num_rows for block in parts) == len(texts)


def test_large_rows_make_small_batches() -> None:
    content = parquet(table(["x" * 10_000 + str(i) for i in range(100)]))
    assert max(len(block.rows) for block in blocks("parquet", content, Limits(block_bytes=100_000))) <= 10
