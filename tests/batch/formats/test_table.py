"""CSV and TSV: cells with quotes and line breaks, bad rows among good ones, and rows without an end."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.batch.formats.reading import blocks, gone_on, rows, written
from tritext_batch.errors import InputError
from tritext_batch.formats.grouping import Limits

HEAD = b"id,text\r\n"


def test_cells_may_hold_quotes_and_line_breaks() -> None:
    content = b"\xef\xbb\xbf" + HEAD + b'1,"a ""b""\r\nc, d"\r\n\r\n2,5" screen\r\n'
    assert [(row.number, row.text) for row in rows("csv", content)] == [(1, 'a "b"\r\nc, d'), (2, '5" screen')]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"7", "1 cells where the header names 2"),
        (b"7,a,b", "3 cells where the header names 2"),
        (b"7,\xe4", "not UTF-8"),
        (b'7,"a"b', "not CSV: ',' expected after '\"'"),
        (b"7,a\rb", "not CSV: new-line character seen"),
        (b"7," + b"x" * 1000, "longer than 64 bytes"),
        (b'7,"' + b'x,""\r\n' * 1000 + b'"', "longer than 64 bytes"),
        (b'7,"' + b"x" * 40 + b"\r\n" + b"x" * 40 + b'"', "longer than 64 bytes"),
        (b'7,"' + b"x" * 40 + b"\r\n" + b"x" * 140 + b'"', "longer than 64 bytes"),
        (b'7,"' + b"x" * (3 << 20) + b'"', "longer than 64 bytes"),
    ],
)
def test_a_bad_row_is_one_row(line: bytes, reason: str) -> None:
    good, bad, last = rows("csv", HEAD + b"1,a\r\n" + line + b"\r\n2,b\r\n")
    assert bad.number == 2
    assert bad.text is None
    assert bad.reason.startswith(reason)
    assert (good.text, last.text, last.number) == ("a", "b", 3)


@pytest.mark.parametrize("rest", [b'1,"a\r\n2,b\r\n', b'1,"' + b"x\r\n" * 1000])
def test_a_quote_that_never_closes_stops_the_job(rest: bytes) -> None:
    with pytest.raises(InputError, match="a quote that opens in row 2 is never closed"):
        blocks("csv", HEAD + b"1,a\r\n" + rest)


def test_a_column_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(InputError, match="0 columns are called 'text'; there are 'id', 'review': name one with --col"):
        blocks("csv", b"id,review\n1,a\n")
    with pytest.raises(InputError, match="--column, or write ',' between the cells instead of ';'"):
        blocks("csv", b"id;text\n1;a\n")
    with pytest.raises(InputError, match="2 columns are called 'text'"):
        blocks("csv", b"text,text\n1,a\n")
    assert rows("csv", b"id,review\n1,a\n", column="review")[0].text == "a"


@pytest.mark.parametrize("content", [b"", b"\n\n", HEAD])
def test_a_table_may_have_no_rows(content: bytes) -> None:
    assert rows("csv", content) == []


def test_a_header_without_an_end_is_none() -> None:
    with pytest.raises(InputError, match="its first line is no header"):
        blocks("csv", b"x" * 1000)


@pytest.mark.parametrize("output", ["csv", "tsv", "jsonl"])
def test_a_column_that_is_taken_stops_the_job(output: str) -> None:
    with pytest.raises(InputError, match=r"the input has a column 'label' already: .*--prefix predicted_"):
        written("csv", output, b"text,label\na,b\n")
    assert written("csv", "csv", b"text,label\na,b\n", "model_").startswith(b"text,label,model_label,model_score")


def test_two_columns_of_one_name_make_no_object() -> None:
    with pytest.raises(InputError, match=r"two columns 'n', an object has one: rename one, or write CSV"):
        written("csv", "jsonl", b"text,n,n\na,1,2\n")
    assert written("csv", "csv", b"text,n,n\na,1,2\n").endswith(b"\na,1,2,positive,0.750000,1\n")


def test_a_header_in_another_encoding_stops_the_job() -> None:
    with pytest.raises(InputError, match="its first line is not UTF-8: convert the file first"):
        written("csv", "csv", "text,pr\xe9f\na,b\n".encode("latin-1"))


def test_tables_go_out_as_tables_or_objects() -> None:
    assert written("tsv", "csv", b"text\tn\nab\t1\n") == b"text,n,label,score,model_version\nab,1,negative,0.750000,1\n"
    line = b'{"text": "ab", "n": "1", "label": "negative", "score": 0.75, "model_version": "1"}\n'
    assert written("csv", "jsonl", b"text,n\nab,1\n") == line


CELLS = st.text(st.characters(codec="utf-8"), max_size=20)


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1), st.integers(1, 4))
def test_what_the_csv_module_writes_is_read_and_written_back(records: list[tuple[str, str]], size: int) -> None:
    stream = io.StringIO()
    csv.writer(stream, quoting=csv.QUOTE_ALL).writerows([("a", "text"), *records])
    content, limits = stream.getvalue().encode(), Limits(size, 200, 1000)
    assert gone_on("csv", content, limits) == blocks("csv", content, limits)
    assert [row.text for row in rows("csv", content, limits)] == [text for _, text in records]
    out = io.StringIO(written("csv", "csv", content).decode(), newline="")
    assert [tuple(record[:2]) for record in csv.reader(out)][1:] == records


@given(st.binary(max_size=300), st.integers(1, 4))
def test_any_bytes_are_read_the_same_from_any_block_on(content: bytes, size: int) -> None:
    content, limits = b"text\n" + content, Limits(size, 100, 50)
    try:
        expected = blocks("csv", content, limits)
    except InputError:
        with pytest.raises(InputError):
            gone_on("csv", content, limits)
        return
    assert gone_on("csv", content, limits) == expected
