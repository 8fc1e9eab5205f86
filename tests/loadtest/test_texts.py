"""Texts for a load: read, repeated, refused."""

from pathlib import Path

import pytest

from tritext_loadtest.errors import TextsError
from tritext_loadtest.texts import read_texts


def test_texts_start_over_when_the_file_is_used_up(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text("label\ttext\nx\tone\ny\ttwo\n")
    assert read_texts(tmp_path / "t.tsv", 5) == ["one", "two", "one", "two", "one"]
    assert read_texts(tmp_path / "t.tsv", 1) == ["one"]
    assert read_texts(tmp_path / "t.tsv", 3, "label") == ["x", "y", "x"]


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "holds no texts"), (b"review\nx\n", "no column `text`"), (b"text\n\xff\n", "give a TSV file")],
)
def test_a_file_without_texts_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "t.tsv").write_bytes(content)
    with pytest.raises(TextsError, match=words):
        read_texts(tmp_path / "t.tsv", 5)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TextsError, match=r"gone\.tsv"):
        read_texts(tmp_path / "gone.tsv", 5)
