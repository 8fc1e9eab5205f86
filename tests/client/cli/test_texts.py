"""Where the command's texts come from."""

import io
import json
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tritext import InvalidInput
from tritext._cli.texts import read_texts


def write(path: Path, content: str | bytes) -> str:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


@pytest.mark.parametrize(
    ("name", "content", "texts"),
    [
        ("a.txt", "one\ntwo\n", ["one", "two"]),
        ("a.txt", "one\n\n two \r\nlast", ["one", "", " two ", "last"]),
        ("a.txt", "", []),
        ("a", "a\tb\u2028c\x0bd\n", ["a\tb\u2028c\x0bd"]),
        ("a.txt", "\ufeffone\n", ["one"]),
        ("a.tsv", "id\ttext\n1\tone\n2\t\n", ["one", ""]),
        ("a.tsv", 'text\n"tab\there\nand a line"\n', ["tab\there\nand a line"]),
        ("a.CSV", '\ufefftext,label\r\n"a, b",x\r\n', ["a, b"]),
        ("a.csv", "text\n" + "x" * 200_000 + "\n", ["x" * 200_000]),
        ("a.jsonl", '{"text": "one", "n": 1}\n\n{"text": ""}\n', ["one", ""]),
    ],
)
def test_files(tmp_path: Path, name: str, content: str, texts: list[str]) -> None:
    assert list(read_texts(write(tmp_path / name, content))) == texts


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.tsv", "a\tb\n1\t2\n", "no column 'text': the first line names a, b"),
        ("a.tsv", "", "the first line names nothing"),
        ("a.csv", "id,text\n1,one\n2\n", "line 3 has no 'text'"),
        ("a.jsonl", '{"text": "one"}\n{"text": 1}\n', "line 2 has no 'text'"),
        ("a.jsonl", '{"text": "one"}\n["two"]\n', "line 2 has no 'text'"),
        ("a.jsonl", '{"text": "one"}\n{"text"\n', "line 2: Expecting"),
        ("a.txt", b"fine\n\xff\n", "not UTF-8"),
    ],
)
def test_files_that_are_not_what_they_say(tmp_path: Path, name: str, content: str | bytes, words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as caught:
        list(read_texts(write(tmp_path / name, content)))
    assert name in str(caught.value)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="No such file"):
        list(read_texts(str(tmp_path / "none.txt")))
    with pytest.raises(InvalidInput, match="Is a directory"):
        list(read_texts(str(tmp_path)))


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("eins\nzwö".encode()), "latin-1"))
    assert list(read_texts("-")) == ["eins", "zwö"]


def test_standard_input_that_is_not_utf_8(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xe4\n")))
    with pytest.raises(InvalidInput, match="standard input: not UTF-8"):
        list(read_texts("-"))


def test_a_file_is_read_as_it_is_asked_for(tmp_path: Path) -> None:
    name = write(tmp_path / "a.txt", b"fine\n" * 100_000 + b"\xff\n")
    texts = read_texts(name)
    assert [next(texts) for _ in range(50_000)] == ["fine"] * 50_000


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(texts=st.lists(st.text(st.characters(codec="utf-8")), max_size=10))
def test_any_text_comes_through_a_jsonl_file(tmp_path: Path, texts: list[str]) -> None:
    content = "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts)
    assert list(read_texts(write(tmp_path / "a.jsonl", content))) == texts
