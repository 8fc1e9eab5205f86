"""Second texts on the command line: from words, for a whole stream, from a file's column."""

import json
from pathlib import Path

import pytest

from tests.client.cli.conftest import Run
from tests.client.fake_transport import FakeTransport

Capture = pytest.CaptureFixture[str]


def found(capture: Capture) -> list[tuple[str, str]]:
    rows = [json.loads(line) for line in capture.readouterr().out.splitlines()]
    return [(row["text"], row["pair"]) for row in rows]


def test_one_for_each_text(run: Run, capsys: Capture, server: FakeTransport) -> None:
    assert run("a", "b", "--pair", "c", "--pair", "d", "--format", "json") == 0
    assert found(capsys) == [("a", "c"), ("b", "d")]
    assert server.calls[0].pairs == ("c", "d")


@pytest.mark.parametrize(("words", "stdin"), [(["a", "b"], b""), (["-"], b"a\nb\n")], ids=["words", "stream"])
def test_one_for_all(run: Run, capsys: Capture, words: list[str], stdin: bytes) -> None:
    assert run(*words, "--pair", "c", "--format", "json", stdin=stdin) == 0
    assert found(capsys) == [("a", "c"), ("b", "c")]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tsv", "text\thypothesis\na\tc\nb\t\n"),
        ("a.csv", "hypothesis,text\nc,a\n,b\n"),
        ("a.jsonl", '{"text": "a", "hypothesis": "c"}\n{"text": "b", "hypothesis": ""}\n'),
    ],
)
def test_a_column(run: Run, capsys: Capture, tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    assert run("--file", str(tmp_path / name), "--pair-column", "hypothesis", "--format", "json") == 0
    assert found(capsys) == [("a", "c"), ("b", "")]


def test_tsv_and_table_show_both(run: Run, capsys: Capture) -> None:
    assert run("a text", "--pair", "its pair", "--format", "tsv") == 0
    header, row = (line.split("\t")[:3] for line in capsys.readouterr().out.splitlines())
    assert (header, row[:2]) == (["text", "text_pair", "label"], ["a text", "its pair"])
    assert run("a text", "--pair", "its pair", "--format", "table") == 0
    header, row = (line.split() for line in capsys.readouterr().out.splitlines())
    assert header == ["text", "text_pair", "label", "score"]
    assert row[:4] == ["a", "text", "its", "pair"]


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["a", "b", "c", "--pair", "d", "--pair", "e"], 2, "2 --pair for 3 texts: give one for all, or one for each"),
        (["-", "--pair", "d", "--pair", "e"], 2, "2 --pair for texts that are read"),
        (["a", "--pair-column", "x"], 2, "--pair-column goes with --file"),
        (["--file", "a.tsv", "--pair-column", "x", "--pair", "b"], 2, "without --pair"),
        (["--file", "FILE", "--pair-column", "x"], 1, "pairs need a .tsv, .csv or .jsonl file"),
        (["--file", "FILE.tsv", "--pair-column", "x"], 1, "no column 'x': the first line names text"),
    ],
)
def test_what_does_not_match(
    run: Run, capsys: Capture, tmp_path: Path, words: list[str], status: int, message: str
) -> None:
    for name in ("FILE", "FILE.tsv"):
        (tmp_path / name).write_text("text\na\n")
    assert run(*(str(tmp_path / word) if word.startswith("FILE") else word for word in words)) == status
    assert message in capsys.readouterr().err
