"""JSON lines: rows without a text, and lines that come out as they went in."""

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.batch.formats.reading import blocks, gone_on, rows, written
from tritext_batch.errors import InputError
from tritext_batch.formats.grouping import Limits

GOOD = b'{"text": "a"}\n'


def test_lines_are_objects_and_empty_lines_only_count() -> None:
    found = rows("jsonl", b'\xef\xbb\xbf{"text": "eins"}\r\n\r\n{"n": 1, "text": "z\\u00f6"}')
    assert [(row.number, row.text) for row in found] == [(1, "eins"), (3, "zö")]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "not JSON"),
        (b"[1]", "a list, not an object"),
        (b'"a"', "a string, not an object"),
        (b'{"text": null}', "'text' is null, not a string"),
        (b'{"text": true}', "'text' is true, not a string"),
        (b'{"text": 7}', "'text' is a number, not a string"),
        (b'{"text": {}}', "'text' is an object, not a string"),
        (b'{"t": "a"}', "no key 'text'"),
        (b'{"text": "\\ud800"}', "half of a surrogate pair"),
        (b'{"text": "\xe4"}', "not UTF-8"),
        (b'{"text": "' + b"x" * 99 + b'"}', "longer than 64 bytes"),
    ],
)
def test_a_bad_row_has_a_reason(line: bytes, reason: str) -> None:
    good, bad, last = rows("jsonl", GOOD + line + b"\n" + GOOD)
    assert bad.number == 2
    assert bad.text is None
    assert bad.reason.startswith(reason)
    assert (good.text, last.text, last.number) == ("a", "a", 3)


@pytest.mark.parametrize("content", [b'[{"text": "a"}]', b'\xef\xbb\xbf\n[\n  {\n    "text": "a"\n  }\n]\n'])
def test_an_array_is_not_taken_for_bad_rows(content: bytes) -> None:
    with pytest.raises(InputError, match=r"in: is one JSON array: write an object a line, as `jq -c '.\[\]'` does"):
        blocks("jsonl", content)


@pytest.mark.parametrize("kind", ["jsonl", "csv", "tsv", "text"])
def test_a_compressed_file_is_named_as_one(kind: str) -> None:
    with pytest.raises(InputError, match="in: is compressed: unpack it first, with gunzip"):
        blocks(kind, gzip.compress(b"text"))


def test_nesting_without_end_is_a_bad_row() -> None:
    (row,) = rows("jsonl", b"[" * 200_000 + b"\n", Limits(row_bytes=1 << 20))
    assert row.reason.startswith("not JSON")


def test_a_key_that_no_row_has_is_misspelt() -> None:
    with pytest.raises(InputError, match="none of the first 3 rows has the key 'text': name another with --column"):
        blocks("jsonl", b'{"review": "a"}\n' * 9)


def test_a_line_comes_out_as_it_went_in() -> None:
    line = '{"id": 12345678901234567890, "x": 1.10, "text": "ab", "e": "\\u00e4"  }'
    out = written("jsonl", "jsonl", f"{line}\r\n".encode()).decode()
    assert out == line.removesuffix("  }") + ', "label": "negative", "score": 0.75, "model_version": "1"}\n'
    json.loads(out)


def test_a_key_that_is_taken_stops_the_job() -> None:
    content = b'{"text": "a", "label": "x"}\n'
    with pytest.raises(InputError, match=r"row 1 has a key 'label' already: .*--prefix predicted_"):
        written("jsonl", "jsonl", content)
    assert json.loads(written("jsonl", "jsonl", content, "model_"))["model_label"] == "positive"


OBJECTS = st.fixed_dictionaries({"text": st.text()}, optional={"n": st.integers(), "é": st.floats(allow_nan=False)})


@given(st.lists(st.one_of(OBJECTS, st.none(), st.text())), st.integers(1, 4))
def test_going_on_behind_any_block_reads_and_writes_the_same(values: list[object], size: int) -> None:
    content = GOOD + b"".join(json.dumps(value).encode() + b"\n" for value in values)
    limits = Limits(size, 500, 1000)
    assert gone_on("jsonl", content, limits) == blocks("jsonl", content, limits)
    good = [value for value in values if isinstance(value, dict)]
    assert len([row for row in rows("jsonl", content, limits) if row.text is not None]) <= len(good) + 1
    out = written("jsonl", "jsonl", content).decode().split("\n")[:-1]
    assert len(out) == len([row for row in rows("jsonl", content, limits) if row.text is not None])
