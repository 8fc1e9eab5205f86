"""Words of the command line to a job."""

import argparse
from pathlib import Path

import pytest

from tritext_batch.commands.arguments import configure, job_of
from tritext_batch.errors import JobFileError
from tritext_batch.job import Environment, Job, Model


def job(*words: str) -> Job:
    parser = argparse.ArgumentParser()
    configure(parser)
    return job_of(parser.parse_args(words))


@pytest.fixture(autouse=True)
def no_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's own variables are none of these tests'."""
    monkeypatch.delenv("TRITEXT_URL", raising=False)


def test_two_names_are_a_job_that_serves_the_repository_itself() -> None:
    assert job("a.csv", "b.csv") == Job("a.csv", "b.csv", "csv", "csv")
    assert job("a.csv", "b.csv").model == Model("sentiment", "repository", "model_repository")
    assert job("a.csv", "b.csv", "--repository", "r").model.source_uri == "r"


def test_a_question_mark_is_part_of_a_files_name() -> None:
    assert job("what?.csv", "so?.csv").input_type == "csv"


def test_the_input_is_known_by_its_links_too(tmp_path: Path) -> None:
    (tmp_path / "a.csv").touch()
    (tmp_path / "b.csv").symlink_to("a.csv")
    with pytest.raises(JobFileError, match="the output is the input"):
        job(str(tmp_path / "a.csv"), str(tmp_path / "b.csv"))


def test_an_endpoint_comes_from_a_word_or_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITEXT_URL", "grpc://h:1")
    assert job("a.csv", "b.csv").model == Model(source_type="endpoint", source_uri="grpc://h:1")
    assert job("a.csv", "b.csv", "--url", "grpc://h:2").model.source_uri == "grpc://h:2"
    assert job("a.csv", "b.csv", "--repository", "r").model.source_type == "repository"


def test_all_words_are_heard() -> None:
    words = (
        "a b --input-type text --output-type tsv --prefix m_ --column t --model n --model-version 2 --url grpc://h:1 "
        "--mixed-versions --max-row-bytes 99 --key k --ca-file c --engine ray --address h:2 --workers 3 "
        "--max-in-flight 5 --patience 1.5 --work w"
    )
    found = job(*words.split())
    assert (found.input_type, found.output_type, found.prefix, found.column) == ("text", "tsv", "m_", "t")
    assert (found.mixed_versions, found.limits.row_bytes) == (True, 99)
    assert found.model == Model("n", "endpoint", "grpc://h:1", "2")
    assert found.environment == Environment("ray", "h:2", 3, Path("k"), Path("c"), 5, 1.5, Path("w"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "INPUT and OUTPUT are missing"),
        ("a.csv", "INPUT and OUTPUT are missing"),
        ("a b.csv", "input 'a': its suffix says no format: give --input-type"),
        ("https://a.blob.core.windows.net/c/a?sig=s b.csv", "input 'https://a.blob.core.windows.net/c/a': its suffix"),
        ("a.csv b", "output 'b': its suffix says no format: give --output-type"),
        ("a.txt b.txt", "text cannot go out as text: take tsv or csv or jsonl"),
        ("a.parquet b.csv", "parquet cannot go out as csv: take parquet"),
        ("a.csv a.csv", "the output is the input"),
        ("a.csv ./a.csv", "the output is the input: ./a.csv: name another"),
        ("az://c/a.csv az://c/a.csv", "the output is the input"),
        ("x.jsonl.rejected.jsonl d/../x.jsonl", "the input is where the rejected rows go: .* name another output"),
        ("https://a.blob.core.windows.net/c/a.csv?x=.y b.csv --summary ./b.csv", "the summary is the output"),
        ("a.csv b.csv --model-version x", "model version 'x': give a whole number from 1"),
        ("a.csv b.csv --engine ray", "workers on several machines ask one endpoint"),
        ("a.csv --job j.yml", "input stands beside --job"),
        ("--job j.yml --url grpc://h:1", "url stands beside --job"),
    ],
)
def test_what_is_no_job_is_said(words: str, message: str) -> None:
    with pytest.raises(JobFileError, match=message):
        job(*words.split())


@pytest.mark.parametrize("words", ["--patience nan", "--patience -1", "--patience inf", "--workers 0"])
def test_what_is_no_number_of_that_kind_is_wrong_usage(words: str) -> None:
    with pytest.raises(SystemExit):
        job("a.csv", "b.csv", *words.split())


def test_words_beside_a_job_file_say_where_it_runs(tmp_path: Path) -> None:
    path = tmp_path / "j.yml"
    path.write_text(
        "name: x\ninput_uri: a.csv\noutput_uri: b.csv\nmodel: {source_type: endpoint, source_uri: 'grpc://h:1'}\n"
    )
    assert job("--job", str(path), "--engine", "ray", "--workers", "2").environment == Environment("ray", workers=2)
