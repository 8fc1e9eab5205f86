"""A text a line: what counts as a line, what is no text, and that a job may go on behind any block."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.batch.formats.reading import LIMITS, blocks, gone_on, rows, texts, written
from tritext_batch.errors import InputError
from tritext_batch.formats.grouping import Limits


def test_every_line_is_a_text_whatever_ends_it() -> None:
    assert texts("text", b"\xef\xbb\xbfeins\r\nzw\xc3\xb6\n\ndrei\x00") == ["eins", "zwö", "", "drei\x00"]


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf"])
def test_nothing_holds_no_texts(content: bytes) -> None:
    assert rows("text", content) == []


def test_bad_lines_have_their_number_and_a_reason() -> None:
    bad = [(r.number, r.reason) for r in rows("text", b"a\n\xe4bc\n" + b"x" * 1000 + b"\nb\n") if r.text is None]
    assert bad == [(2, "not UTF-8: byte 0xe4 at 0"), (3, "longer than 64 bytes: raise --max-row-bytes, or cut it")]


@pytest.mark.parametrize("size", [63, 64, 65, 127, 128, 129, 200])
def test_the_longest_line_at_the_end_of_a_file(size: int) -> None:
    (row,) = rows("text", b"x" * size)
    assert (row.text is None) == (size >= 64)


@pytest.mark.parametrize("mark", [b"\xff\xfe", b"\xfe\xff"])
def test_other_encodings_are_named(mark: bytes) -> None:
    with pytest.raises(InputError, match="is UTF-16: convert it first: iconv -f UTF-16"):
        blocks("text", mark + b"a\0")


@pytest.mark.parametrize("encoding", ["UTF-16LE", "UTF-16BE"])
@pytest.mark.parametrize("kind", ["text", "jsonl", "csv"])
def test_other_encodings_are_known_without_a_mark(encoding: str, kind: str) -> None:
    with pytest.raises(InputError, match=f"is {encoding} by its looks: convert it first: iconv -f {encoding} -t UTF-8"):
        blocks(kind, "text\nä\n".encode(encoding))


@given(st.lists(st.binary(max_size=100)), st.integers(1, 5))
def test_going_on_behind_any_block_reads_the_same(lines: list[bytes], size: int) -> None:
    content, limits = b"\n".join(lines), Limits(size, 100, 32)
    assert gone_on("text", content, limits) == blocks("text", content, limits)
    count = content.count(b"\n") + (not content.endswith(b"\n")) if content.removeprefix(b"\xef\xbb\xbf") else 0
    assert [row.number for row in rows("text", content, limits)] == list(range(1, count + 1))


def test_blocks_are_bounded_in_number_and_in_bytes() -> None:
    assert [len(block.rows) for block in blocks("text", b"a\n" * 7)] == [3, 3, 1]
    long = (b"x" * 60 + b"\n") * 8
    assert {sum(len(r.text or "") for r in b.rows) for b in blocks("text", long, Limits(100, 150, 64))} == {180, 120}
    assert LIMITS.block_bytes == 200


def test_texts_go_out_as_a_table_or_as_objects() -> None:
    assert written("text", "tsv", b"ab\na\tb\n").decode().splitlines() == [
        "text\tlabel\tscore\tmodel_version",
        "ab\tnegative\t0.750000\t1",
        '"a\tb"\tpositive\t0.750000\t1',
    ]
    assert written("text", "jsonl", "ö\n".encode()).decode() == (
        '{"text": "ö", "label": "negative", "score": 0.75, "model_version": "1"}\n'
    )
