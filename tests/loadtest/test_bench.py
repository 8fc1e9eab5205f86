"""The benchmark's order and medians, and the whole command against a real server."""

import csv
import itertools
import json
import re
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from tests.loadtest.test_load import echo
from tritext import Prediction
from tritext._cli.main import main
from tritext_loadtest.bench import Figures, bench, cases
from tritext_loadtest.load import Shape
from tritext_serve.server import Server


def test_cases_take_turns_within_each_round() -> None:
    sent: list[str] = []

    def target(name: str, texts: Sequence[str]) -> list[Prediction]:
        sent.append(name)
        return echo(texts)

    plan = cases({"a": lambda t: target("a", t), "b": lambda t: target("b", t)}, (Shape(1, 2), Shape(1, 4)))
    told: list[str] = []
    figures = bench(plan, psutil.Process(), ["x"] * 4, rounds=2, tell=told.append)
    assert "".join(sent) == "aabbab" * 2
    assert len(figures) == 4
    assert all(isinstance(row, Figures) and row.texts_per_second > 0 for row in figures)
    assert told[0] == "round 1 of 2: a, 1 client × 2 texts"


@pytest.mark.e2e
def test_the_command_measures_a_running_server(
    server: Server, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with corpus.open(encoding="utf-8") as file:
        texts = [row["text"] for row in itertools.islice(csv.DictReader(file, delimiter="\t"), 32)]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps({"review": text}) + "\n" for text in texts))
    words = ["--texts", str(tmp_path / "t.jsonl"), "--text-column", "review", "--count", "32", "--rounds", "1"]
    assert main(["bench", *words, "--grpc", server.grpc_url, "--http", server.http_url]) == 0
    said, errors = capsys.readouterr()
    assert errors == ""
    assert len(re.findall(r"^(gRPC|HTTP), \d+ clients? × \d+ texts? +\d+ +\d+\.\d\d", said, re.MULTILINE)) == 6
    assert re.search(r"^\d+ MB resident$", said, re.MULTILINE)


def test_nobody_listening_is_one_clear_line(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--texts", str(corpus), "--grpc", "grpc://127.0.0.1:9"]) == 1
    assert "start one with `tritext serve`" in capsys.readouterr().err


@pytest.mark.parametrize("more", [[], ["--repository", "r", "--checkpoint", "c"]], ids=["a server", "servers"])
def test_a_column_that_is_not_there_is_named_before_anything_is_asked(
    more: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "t.csv").write_text("review,label\nfine,positive\n")
    words = ["bench", "--texts", str(tmp_path / "t.csv"), "--grpc", "grpc://127.0.0.1:9", *more]
    assert main(words) == 1
    assert "t.csv: has no column `text`; there is `review`, `label`: name it with --text-column" in (
        capsys.readouterr().err
    )
    assert main([*words, "--text-column", "review"]) == 1
    assert "column" not in capsys.readouterr().err
