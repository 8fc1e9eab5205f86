"""The verb `classify`, run as a user runs it."""

import json
import sys
from pathlib import Path

import pytest

from tests.client.cli.conftest import Run
from tests.client.fake_transport import FakeTransport, label
from tritext import UnknownModel
from tritext._cli import classify

Capture = pytest.CaptureFixture[str]


def test_words(run: Run, capsys: Capture) -> None:
    assert run("I love it", "no") == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert rows == [
        ["text", "label", "score", "tokens", "truncated"],
        ["I love it", label("I love it"), "0.750000", "9", "false"],
        ["no", label("no"), "0.750000", "2", "false"],
    ]


@pytest.mark.parametrize("words", [[], ["-"]])
def test_standard_input(run: Run, capsys: Capture, words: list[str]) -> None:
    assert run(*words, "--format", "json", stdin=b"one\n\nthree\n") == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["text"], row["label"]) for row in found] == [(text, label(text)) for text in ("one", "", "three")]


def test_a_file(run: Run, capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "texts.csv").write_text("id,text\n1,one\n2,two\n")
    assert run("--file", str(tmp_path / "texts.csv"), "--format", "json", "--scores") == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["text"] for row in found] == ["one", "two"]
    assert list(found[0]["scores"]) == ["negative", "so: so", "positive"]


def test_a_table(run: Run, capsys: Capture) -> None:
    assert run("four", "--format", "table") == 0
    assert capsys.readouterr().out.splitlines()[1].split() == ["four", "so:", "so", "0.7500"]


def test_a_terminal_gets_a_table(run: Run, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert run("four") == 0
    assert "\t" not in capsys.readouterr().out


def test_a_long_file_goes_window_by_window(run: Run, capsys: Capture, server: FakeTransport, tmp_path: Path) -> None:
    texts = [str(number) for number in range(2 * classify.WINDOW + 10)]
    (tmp_path / "texts.txt").write_text("\n".join(texts))
    assert run("--file", str(tmp_path / "texts.txt")) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[0] for line in lines] == ["text", *texts]
    assert max(server.batches) == 32


def test_what_was_labelled_before_an_error_is_printed(run: Run, capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_bytes(b"fine\n" * classify.WINDOW + b"\xff\n")
    assert run("--file", str(tmp_path / "texts.txt")) == 1
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == classify.WINDOW + 1
    assert err.startswith("tritext classify: ")
    assert "not UTF-8" in err


def test_options_reach_the_client(run: Run, server: FakeTransport) -> None:
    assert run("a", "--model", "topics", "--model-version", "3", "--timeout", "9") == 0
    call = server.calls[0]
    assert (call.model, call.version) == ("topics", "3")
    assert call.timeout == pytest.approx(9, abs=1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--url", "localhost"], "the scheme must be one of"),
        (["--timeout", "0"], "timeout 0.0"),
        (["--model-version", "x"], "version 'x'"),
        (["--file", "no.txt"], "No such file"),
    ],
)
def test_wrong_values(run: Run, capsys: Capture, words: list[str], message: str) -> None:
    assert run(*words, *([] if "--file" in words else ["a"])) == 1
    assert message in capsys.readouterr().err


def test_the_server_s_refusal_is_one_line(run: Run, capsys: Capture, server: FakeTransport) -> None:
    server._errors = [UnknownModel("no such model")]
    assert run("a") == 1
    assert capsys.readouterr() == ("", "tritext classify: no such model\n")


def test_texts_and_a_file_are_too_much(run: Run, capsys: Capture) -> None:
    assert run("a", "--file", "b.txt") == 2
    assert "not both" in capsys.readouterr().err


def test_no_texts_on_a_terminal(run: Run, capsys: Capture) -> None:
    assert run(stdin=None) == 2
    assert "no texts" in capsys.readouterr().err


def test_help_shows_an_example(run: Run, capsys: Capture) -> None:
    assert run("--help") == 0
    assert '$ tritext classify "I love it"' in capsys.readouterr().out
