"""Ends of records that are too long to be read: where the csv module, given all of the file, finds them too."""

import csv
import io
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.batch.formats.reading import rows
from tritext_batch.formats import records
from tritext_batch.formats.records import end_of_record


def end_by_the_csv_module(content: str) -> int | None:
    """Where the first record ends, read whole; None where it does not."""
    lines = io.StringIO(content, newline="\n")
    try:
        next(csv.reader(iter(lines.readline, ""), strict=True))
    except csv.Error as error:
        if "unexpected end of data" in str(error):
            return None
        raise
    return lines.tell()


@given(st.lists(st.sampled_from(['"', '""', ",", "\n", "x", ',"', '",']), min_size=1).map("".join), st.integers(1, 5))
def test_it_ends_where_the_csv_module_says(content: str, chunk: int) -> None:
    try:
        expected = end_by_the_csv_module(content)
    except csv.Error:
        return  # a quoted cell that goes on behind its quotes: no record, and nobody's to say where it ends
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "_CHUNK", chunk)
        assert end_of_record(io.BytesIO(content.encode()), 0, ",") == expected


def test_a_lone_quote_in_an_overlong_row_takes_no_other_row_along() -> None:
    content = b'id,text\n1,5" disk ' + b"x" * 100 + b'\n2,a\n3,"b"\n'
    assert [(row.number, row.text) for row in rows("csv", content)] == [(1, None), (2, "a"), (3, "b")]


def test_memory_does_not_follow_the_record() -> None:
    content = io.BytesIO(b'1,"' + b'""\n' * (5 << 20))
    tracemalloc.start()
    try:
        assert end_of_record(content, 0, ",") is None
        assert tracemalloc.get_traced_memory()[1] < 4 << 20 < len(content.getbuffer())
    finally:
        tracemalloc.stop()
