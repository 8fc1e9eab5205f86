"""Whole jobs against the stand-in, in this process: going on, refusing, rejecting, telling."""

import dataclasses
import io
import json
import os
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from tests.batch.stand_in import label_of, stand_in
from tritext._cli.main import main
from tritext_batch.errors import InputError, ModelError, OutputError, ResumeError
from tritext_batch.formats.grouping import Limits
from tritext_batch.job import Environment, Job, Model
from tritext_batch.places import LocalPlace
from tritext_batch.progress import Watch
from tritext_batch.running import carry_out
from tritext_batch.summary import Summary

SMALL = Limits(rows=64)


def job_for(folder: Path, url: str, name: str = "in.txt", out: str = "out.tsv", **more: object) -> Job:
    kind, output = Path(name).suffix[1:].replace("txt", "text"), Path(out).suffix[1:]
    job = Job(str(folder / name), str(folder / out), kind, output, model=Model("sentiment", "endpoint", url))
    return dataclasses.replace(job, limits=SMALL, environment=Environment(patience=0.5), **more)  # type: ignore[arg-type]


def run(job: Job, *, overwrite: bool = False) -> Summary:
    with Watch(Console(stderr=True)) as watch:
        return carry_out(job, watch, overwrite=overwrite)


class Breaking(Watch):
    """Stops a job behind its first block."""

    def advance(self, completed: int, rows: int, all_rows: int) -> None:
        raise InputError("broken off")


def lines(folder: Path, count: int = 300) -> list[str]:
    texts = [f"text {number} " + "x" * (number % 50) for number in range(count)]
    (folder / "in.txt").write_text("\n".join(texts) + "\n")
    return texts


def labelled(folder: Path) -> list[list[str]]:
    return [line.split("\t") for line in (folder / "out.tsv").read_text().splitlines()[1:]]


def test_every_row_is_labelled_in_order(tmp_path: Path, stand_in_url: str) -> None:
    texts = lines(tmp_path)
    summary = run(job_for(tmp_path, stand_in_url))
    assert labelled(tmp_path) == [[text, label_of(text), "0.750000", "1"] for text in texts]
    assert summary.labels == {label: sum(label_of(t) == label for t in texts) for label in ("negative", "positive")}
    assert (summary.rows, summary.rejected, summary.model_versions) == (300, 0, ("1",))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.txt", "out.tsv"]


def test_bad_rows_go_beside_with_their_number_and_reason(tmp_path: Path, stand_in_url: str) -> None:
    rows = [b'{"text": "a"}', b"{", b'{"text": "refuse:INVALID_ARGUMENT:too much"}', b'{"text": "' + b"x" * 999 + b'"}']
    (tmp_path / "in.jsonl").write_bytes(b"\n".join([*rows, b'{"text": "b"}']))
    job = job_for(tmp_path, stand_in_url, "in.jsonl", "out.jsonl")
    summary = run(dataclasses.replace(job, limits=Limits(row_bytes=500)))
    assert [json.loads(line)["text"] for line in (tmp_path / "out.jsonl").read_text().splitlines()] == ["a", "b"]
    bad = [json.loads(line) for line in (tmp_path / "out.jsonl.rejected.jsonl").read_text().splitlines()]
    assert [row["row"] for row in bad] == [2, 3, 4]
    assert bad[0]["reason"].startswith("not JSON")
    assert "too much" in bad[1]["reason"]
    assert bad[1]["text"].startswith("refuse")
    assert bad[2]["reason"].startswith("longer than 500 bytes")
    assert (summary.rows, summary.rejected) == (5, 3)


@pytest.mark.parametrize(("name", "out"), [("in.txt", "out.jsonl"), ("in.csv", "out.csv")])
def test_an_input_without_rows_has_an_output_without_rows(
    tmp_path: Path, stand_in_url: str, name: str, out: str
) -> None:
    (tmp_path / name).write_text("" if name == "in.txt" else "text\n")
    assert run(job_for(tmp_path, stand_in_url, name, out)).rows == 0
    assert (tmp_path / out).read_text() == ("" if name == "in.txt" else "text,label,score,model_version\n")


def test_a_job_that_stopped_goes_on(tmp_path: Path, stand_in_url: str) -> None:
    texts = lines(tmp_path)
    texts[200] = "fail:9:INTERNAL"
    (tmp_path / "in.txt").write_text("\n".join(texts))
    job = job_for(tmp_path, stand_in_url)
    before = []
    with pytest.raises(ModelError, match="for now"):
        run(job)
    assert not (tmp_path / "out.tsv").exists()
    before.append((tmp_path / "out.tsv.partial" / "rows").read_bytes().count(b"\n") - 1)
    with pytest.raises(ModelError, match="rows 193 to 224"):
        run(job)
    summary = run(job)
    assert [row[0] for row in labelled(tmp_path)] == texts
    assert summary.rows == 300
    assert summary.rows_this_run <= 300 - before[0]
    assert before[0] in (0, 64, 128, 192)


def test_an_output_that_exists_is_kept_unless_it_may_go(tmp_path: Path, stand_in_url: str) -> None:
    lines(tmp_path)
    (tmp_path / "out.tsv").write_text("mine")
    with pytest.raises(OutputError, match=r"out.tsv: exists: name another output, or replace it with --overwrite"):
        run(job_for(tmp_path, stand_in_url))
    assert (tmp_path / "out.tsv").read_text() == "mine"
    (tmp_path / "out.tsv.rejected.jsonl").write_text("old")
    run(job_for(tmp_path, stand_in_url), overwrite=True)
    assert len(labelled(tmp_path)) == 300
    assert not (tmp_path / "out.tsv.rejected.jsonl").exists()


def test_an_output_that_came_meanwhile_is_kept_and_nothing_is_scored_again(tmp_path: Path, stand_in_url: str) -> None:
    lines(tmp_path)
    job = job_for(tmp_path, "grpc://127.0.0.1:1")
    with pytest.raises(ModelError):
        run(job)
    (tmp_path / "out.tsv").write_text("mine")
    job = dataclasses.replace(job, model=Model("sentiment", "endpoint", stand_in_url))
    with pytest.raises(OutputError, match="exists: replace it with --overwrite, and nothing is scored again"):
        run(job)
    assert (tmp_path / "out.tsv").read_text() == "mine"
    assert run(job, overwrite=True).rows_this_run == 0
    assert len(labelled(tmp_path)) == 300


@pytest.mark.parametrize("name", ["out.jsonl", "out.parquet"])
def test_killed_behind_the_outputs_arrival_it_finds_its_own_work(
    tmp_path: Path, stand_in_url: str, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    rows = {"text": [f"text {number}" for number in range(100)]}
    pq.write_table(pa.table(rows), tmp_path / "in.parquet")
    (tmp_path / "in.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in rows["text"]))
    job = job_for(tmp_path, stand_in_url, name.replace("out", "in"), name)
    arrive = LocalPlace.publish

    def killed(self: LocalPlace, path: Path, *, overwrite: bool) -> None:
        arrive(self, path, overwrite=overwrite)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(LocalPlace, "publish", killed)
        with pytest.raises(KeyboardInterrupt):
            run(job)
    before = (tmp_path / name).read_bytes()
    assert run(job).rows_this_run == 0
    assert (tmp_path / name).read_bytes() == before
    assert not (tmp_path / f"{name}.partial").exists()


def test_an_input_that_changed_is_not_gone_on_with(tmp_path: Path, stand_in_url: str) -> None:
    lines(tmp_path)
    with Breaking(Console(stderr=True)) as watch, pytest.raises(InputError, match="broken off"):
        carry_out(job_for(tmp_path, stand_in_url), watch)
    texts = lines(tmp_path, 10)
    with pytest.raises(ResumeError, match=r"in.txt has changed since \(.*--overwrite to throw it away"):
        run(job_for(tmp_path, stand_in_url))
    run(job_for(tmp_path, stand_in_url), overwrite=True)
    assert [row[0] for row in labelled(tmp_path)] == texts


def test_a_job_that_came_to_no_row_is_in_nobodys_way(tmp_path: Path, stand_in_url: str) -> None:
    lines(tmp_path)
    with pytest.raises(ModelError):
        run(job_for(tmp_path, "grpc://127.0.0.1:1", prefix="mistyped_"))
    texts = lines(tmp_path, 10)
    run(job_for(tmp_path, stand_in_url))
    assert [row[0] for row in labelled(tmp_path)] == texts


def test_an_input_that_changes_under_the_job_is_noticed(tmp_path: Path, stand_in_url: str) -> None:
    lines(tmp_path)
    job = job_for(tmp_path, stand_in_url)

    class Meddler(Watch):
        def advance(self, completed: int, rows: int, all_rows: int) -> None:
            os.utime(tmp_path / "in.txt", ns=(1, 1))

    with Meddler(Console(stderr=True)) as watch, pytest.raises(InputError, match="has changed while it was scored"):
        carry_out(job, watch)
    assert not (tmp_path / "out.tsv").exists()


def test_a_model_that_changes_in_the_middle_is_noticed(tmp_path: Path, stand_in_url: str) -> None:
    texts = lines(tmp_path)
    job = job_for(tmp_path, stand_in_url)
    with Breaking(Console(stderr=True)) as watch, pytest.raises(InputError, match="broken off"):
        carry_out(job, watch)
    with stand_in(version="2") as other:
        later = dataclasses.replace(job, model=Model("sentiment", "endpoint", other))
        with pytest.raises(ModelError, match=r"version 1 of sentiment began this output, and 2 answers now: .*--mixed"):
            run(later)
        summary = run(dataclasses.replace(later, mixed_versions=True))
    assert summary.model_versions == ("1", "2")
    assert [row[0] for row in labelled(tmp_path)] == texts
    assert {row[3] for row in labelled(tmp_path)} == {"1", "2"}


def test_a_summary_that_cannot_be_written_is_told_and_the_output_is_there(
    tmp_path: Path, stand_in_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lines(tmp_path)
    words = ["score", f"file://{tmp_path}/in.txt", str(tmp_path / "out.tsv"), "--url", stand_in_url]
    assert main([*words, "--summary", str(tmp_path / "none" / "summary.json")]) == 1
    told = capsys.readouterr()
    assert told.err.endswith("No such file or directory: the summary is not there, the output is\n")
    assert told.out.startswith("rows      300 in ")
    assert len(labelled(tmp_path)) == 300


def test_what_came_of_it_is_written_as_json(tmp_path: Path, stand_in_url: str) -> None:
    lines(tmp_path)
    words = ["score", str(tmp_path / "in.txt"), str(tmp_path / "out.tsv"), "--url", stand_in_url]
    assert main([*words, "--summary", str(tmp_path / "summary.json")]) == 0
    found = json.loads((tmp_path / "summary.json").read_text())
    assert (found["rows"], found["rejected"], found["rejected_rows"]) == (300, 0, None)
    assert (found["model"], found["model_source"], found["model_versions"]) == ("sentiment", stand_in_url, ["1"])
    began, ended = (datetime.fromisoformat(found[name]) for name in ("started", "finished"))
    assert began.utcoffset() == ended.utcoffset() == timedelta(0)
    assert began <= ended


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_names_that_are_not_utf8_are_names(
    tmp_path: Path, stand_in_url: str, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As old archives hold them, and said on a terminal that refuses them."""
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(said := io.BytesIO(), encoding=encoding))
    source, target = (os.fsdecode(os.fsencode(tmp_path) + name) for name in (b"/caf\xe9.txt", b"/caf\xe9 \xc3\xa9.tsv"))
    Path(source).write_text("a\n")
    words = ["score", source, target, "--url", stand_in_url, "--summary", str(tmp_path / "summary.json")]
    assert main(words) == 0
    assert Path(target).read_text().count("\n") == 2
    assert rb"caf\udce9 " in said.getvalue()
    assert json.loads((tmp_path / "summary.json").read_bytes())["input"] == source


def test_where_there_is_no_row_no_model_is_said_to_have_answered(
    tmp_path: Path, stand_in_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.txt").write_text("")
    assert main(["score", str(tmp_path / "in.txt"), str(tmp_path / "out.tsv"), "--url", stand_in_url]) == 0
    assert "model     sentiment, which had no row to answer\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "tritext score: INPUT and OUTPUT are missing"),
        ("in.jsonl out.xyz", "give --output-type (in a job file output_type) as one of jsonl\n"),
        ("in.xyz out.csv", "give --input-type (in a job file input_type) as one of text, jsonl, csv, tsv, parquet\n"),
        ("--job none.yml", "tritext score: none.yml: No such file or directory: check the name of the job file\n"),
    ],
)
def test_wrong_words_have_an_exit_code_of_their_own(
    words: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["score", *words.split()]) == 2
    assert message in capsys.readouterr().err


def test_what_is_not_there_is_named(tmp_path: Path, stand_in_url: str) -> None:
    with pytest.raises(InputError, match=r"in.txt: No such file or directory: name the file to score"):
        run(job_for(tmp_path, stand_in_url))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "in.txt").mkdir()
    with pytest.raises(InputError, match=r"in.txt: is a folder: name a file in it"):
        run(job_for(tmp_path, stand_in_url))
    (tmp_path / "in.txt").rmdir()
    os.mkfifo(tmp_path / "in.txt")
    with pytest.raises(InputError, match=r"no regular file, .*: copy it to one"):
        run(job_for(tmp_path, stand_in_url))
