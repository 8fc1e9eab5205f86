"""How the command prints predictions."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tritext import Prediction
from tritext._cli.writers import JsonWriter, TableWriter, TsvWriter


def prediction(text: str, label: str = "positive", scores: dict[str, float] | None = None) -> Prediction:
    return Prediction(text, label, 0.98765, 7, True, "3", scores)


def tsv(*predictions: Prediction) -> str:
    stream = io.StringIO()
    TsvWriter(stream).write(predictions)
    return stream.getvalue()


def table(*windows: list[Prediction], width: int = 80) -> list[str]:
    stream = io.StringIO()
    writer = TableWriter(stream)
    for window in windows:
        writer.write(window)
    return stream.getvalue().splitlines()


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


class TestTsv:
    def test_a_header_and_a_row_each(self) -> None:
        rows = "text\tlabel\tscore\ttokens\ttruncated\nI love it\tpositive\t0.987650\t7\ttrue\n"
        assert tsv(prediction("I love it")) == rows

    def test_scores_are_columns(self) -> None:
        lines = tsv(prediction("a", scores={"neg": 0.1, "pos": 0.9})).splitlines()
        assert lines[0].endswith("\tscore:neg\tscore:pos")
        assert lines[1].endswith("\t0.100000\t0.900000")

    def test_one_header_for_all_windows(self) -> None:
        stream = io.StringIO()
        writer = TsvWriter(stream)
        for window in ([], [prediction("a")], [prediction("b")]):
            writer.write(window)
        assert [line.split("\t")[0] for line in stream.getvalue().splitlines()] == ["text", "a", "b"]

    @given(st.lists(st.tuples(st.text(), st.text(min_size=1)), min_size=1, max_size=5))
    def test_the_csv_module_reads_any_text_back(self, pairs: list[tuple[str, str]]) -> None:
        written = tsv(*(prediction(text, label) for text, label in pairs))
        rows = list(csv.reader(io.StringIO(written, newline=""), delimiter="\t"))
        assert [(row[0], row[1]) for row in rows[1:]] == pairs


class TestJson:
    @given(st.text(st.characters(codec="utf-8")))
    def test_one_object_a_line(self, text: str) -> None:
        stream = io.StringIO()
        JsonWriter(stream).write([prediction(text), prediction("b", scores={"é": 0.5})])
        first, second, rest = stream.getvalue().split("\n")
        assert rest == ""
        fields = {"label": "positive", "score": 0.98765, "tokens": 7, "truncated": True, "model_version": "3"}
        assert json.loads(first) == {"text": text, **fields}
        assert json.loads(second) == {"text": "b", **fields, "scores": {"é": 0.5}}
        assert "é" in second


class TestTable:
    def test_columns(self) -> None:
        lines = table([prediction("I love it", scores={"neg": 0.1, "pos": 0.9})])
        assert lines[0].split() == ["text", "label", "score", "neg", "pos"]
        assert lines[1].split() == ["I", "love", "it", "positive", "0.9877", "0.1000", "0.9000"]

    def test_a_long_text_gives_way_to_the_rest(self) -> None:
        (_, line) = table([prediction("word " * 1000, scores={"negative": 0.1, "positive": 0.9})])
        assert len(line) <= 80
        assert line.startswith("word word")
        assert "…" in line
        assert line.split()[-4:] == ["positive", "0.9877", "0.1000", "0.9000"]

    def test_what_a_terminal_would_obey_is_harmless(self) -> None:
        (_, line) = table([prediction("a\x1b[2Jb\nc\rd\x07 [red]e[/red] \u202e")])
        assert line.startswith("a [2Jb c d  [red]e[/red]")

    def test_one_header_for_all_windows(self) -> None:
        lines = table([], [prediction("a")], [prediction("b")])
        assert [line.split()[0] for line in lines] == ["text", "a", "b"]
