"""Job files: what a good one says, and every mistake by its key and line."""

from pathlib import Path

import pytest

from tritext_batch.errors import JobFileError
from tritext_batch.formats.grouping import Limits
from tritext_batch.job import Environment, Job, Model
from tritext_batch.job_file import read_job_file

GOOD = """\
name: reviews
input_uri: az://reviews/in.jsonl
output_uri: az://labels/out.jsonl
model:
  source_type: endpoint
  source_uri: grpc://127.0.0.1:8001
"""


def read(folder: Path, text: str | bytes) -> Job:
    path = folder / "job.yml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_job_file(path)


def test_a_short_file_is_a_whole_job(tmp_path: Path) -> None:
    assert read(tmp_path, GOOD) == Job(
        "az://reviews/in.jsonl", "az://labels/out.jsonl", "jsonl", "jsonl", "reviews",
        model=Model("sentiment", "endpoint", "grpc://127.0.0.1:8001"),
    )  # fmt: skip


def test_a_long_file_says_everything(tmp_path: Path) -> None:
    text = """\
name: nightly
input_type: text
input_uri: in
output_type: tsv
output_uri: out
column: review
prefix: model_
mixed_versions: true
max_row_bytes: 4096
model: {name: stars, source_type: endpoint, source_uri: "http://h:8000", version: 3}
environment:
  engine: ray
  address: 127.0.0.1:6379
  workers: 2
  key_file: key
  ca_file: ca.pem
  max_in_flight: 8
  patience: 60
  work: /tmp/work
"""
    assert read(tmp_path, text) == Job(
        "in", "out", "text", "tsv", "nightly", "review", "model_", True,
        Model("stars", "endpoint", "http://h:8000", "3"),
        Environment("ray", "127.0.0.1:6379", 2, Path("key"), Path("ca.pem"), 8, 60, Path("/tmp/work")),
        Limits(row_bytes=4096),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "job.yml: empty"),
        ("a: [", "job.yml:1: not YAML"),
        (b"a: \xff", "job.yml: not YAML"),
        ("- a", "job.yml:1: the file must be keys with values"),
        ("name: x", "job.yml:1: input_uri is missing\n"),
        (GOOD + "name: other\n", "job.yml:7: name stands here twice"),
        (GOOD + "inputs: x\n", "job.yml:7: inputs is no key of a job: there are name, input_type"),
        (GOOD.replace("reviews\n", "\n", 1), "job.yml:1: name is None: give a line of text"),
        (GOOD.replace("reviews\n", "[a]\n", 1), "job.yml:1: name is []: give a line of text"),
        (GOOD + "input_type: xml\n", "job.yml:7: input_type is 'xml': give one of text, jsonl, csv, tsv, parquet"),
        (GOOD + "output_type: csv\n", "job.yml:7: jsonl cannot go out as csv: take jsonl"),
        (GOOD + "mixed_versions: 1\n", "job.yml:7: mixed_versions is 1: give true or false"),
        (GOOD + "max_row_bytes: 1\n", "job.yml:7: max_row_bytes is 1: give a whole number from 1024 to"),
        (GOOD + "environment: ray\n", "job.yml:7: environment must be keys with values"),
        (GOOD + "environment:\n  engine: spark\n", "job.yml:8: engine is 'spark': give one of local, ray"),
        (GOOD + "environment:\n  workers: 2.5\n", "job.yml:8: workers is 2.5: give a whole number"),
        (GOOD + "environment:\n  workers: true\n", "job.yml:8: workers is True: give a whole number"),
        (GOOD.replace("endpoint", "magic"), "job.yml:5: source_type is 'magic': give one of endpoint, repository"),
        (GOOD.replace("  source_uri: grpc://127.0.0.1:8001\n", ""), "job.yml:5: model.source_uri is missing"),
        (GOOD.replace("az://reviews/in.jsonl", "in"), "job.yml:2: input 'in': its suffix says no format"),
        (GOOD.replace("az://labels/out.jsonl", "az://reviews/in.jsonl"), "job.yml:3: the output is the input"),
        (GOOD + "column: !!python/object/apply:os.system [id]\n", "job.yml:7: column is []: give a line of text"),
        (GOOD + "column: 2026-01-01\n", None),
        ("x" * 100_000, "job.yml: 100000 bytes are no job file"),
    ],
)
def test_a_mistake_has_its_line(tmp_path: Path, text: str | bytes, words: str | None) -> None:
    if words is None:
        assert read(tmp_path, text).column == "2026-01-01"
        return
    with pytest.raises(JobFileError) as refused:
        read(tmp_path, text)
    assert words.rstrip("\n") in str(refused.value)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(JobFileError) as refused:
        read(tmp_path, "name: 7\ninput_type: xml\nmodel:\n  version: x\n")
    assert len(str(refused.value).splitlines()) == 7


def test_workers_and_a_repository_do_not_go_together(tmp_path: Path) -> None:
    text = GOOD.replace("endpoint", "repository") + "environment:\n  engine: ray\n"
    with pytest.raises(JobFileError, match=r"job.yml:5: workers on several machines ask one endpoint"):
        read(tmp_path, text)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(JobFileError, match="No such file or directory: check the name of the job file"):
        read_job_file(tmp_path / "none.yml")
