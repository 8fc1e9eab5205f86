"""`tritext score` as a process: killed, interrupted, without its server for a while, on a server of its own."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.batch.stand_in import label_of, stand_in
from tests.conftest import ROOT
from tritext import Client
from tritext_export.labelled import Example
from tritext_serve.ports import steady_ports
from tritext_serve.server import Server

pytestmark = pytest.mark.e2e
COMMAND = (sys.executable, "-m", "tritext", "score")
# Five seconds of the slow server: a job is killed and interrupted in the first two, however late this process comes.
ROWS = 16_000


def start(*words: str | Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*COMMAND, *map(str, words)],
        text=True,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def finish(process: "subprocess.Popen[str]", code: int = 0) -> tuple[str, str]:
    out, error = process.communicate(timeout=200)
    assert process.returncode == code, error
    return out, error


@pytest.fixture(scope="module")
def stand_in_url() -> Iterator[str]:
    """A server that answers at once."""
    with stand_in() as url:
        yield url


@pytest.fixture(scope="module")
def slow_url() -> Iterator[str]:
    """A server that takes its time."""
    with stand_in(latency=0.04) as url:
        yield url


@pytest.fixture
def texts(tmp_path: Path) -> list[str]:
    """Rows that can be told apart, in ``in.txt``."""
    found = [f"row {number} " + "x" * (number % 90) for number in range(ROWS)]
    (tmp_path / "in.txt").write_text("\n".join(found))
    return found


def wait_for_rows(folder: Path, more: int, process: "subprocess.Popen[str]") -> None:
    """Wait until so many bytes more than now have been written, or the job is done."""
    rows = folder / "out.tsv.partial" / "rows"
    begin = rows.stat().st_size if rows.exists() else 0
    until = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < until:
        if rows.exists() and rows.stat().st_size >= begin + more:
            return
        time.sleep(0.002)


def check(folder: Path, texts: list[str]) -> None:
    rows = [line.split("\t") for line in (folder / "out.tsv").read_text().splitlines()]
    assert rows[0] == ["text", "label", "score", "model_version"]
    assert rows[1:] == [[text, label_of(text), "0.750000", "1"] for text in texts]
    assert sorted(path.name for path in folder.iterdir() if path.name != "summary.json") == ["in.txt", "out.tsv"]


def test_killed_five_times_every_row_is_there_once(
    tmp_path: Path, texts: list[str], slow_url: str, stand_in_url: str
) -> None:
    drawn = random.Random(6)
    words = (tmp_path / "in.txt", tmp_path / "out.tsv", "--max-in-flight", "4", "--url", slow_url)
    for _ in range(5):
        job = start(*words)
        wait_for_rows(tmp_path, drawn.randrange(1, 60_000), job)
        time.sleep(drawn.random() * 0.3)
        assert job.poll() is None, "it was done before it could be killed"
        job.kill()
        job.communicate()
        assert not (tmp_path / "out.tsv").exists()
    out, _ = finish(start(*words[:-1], stand_in_url, "--summary", tmp_path / "summary.json"))
    check(tmp_path, texts)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["rows"] == ROWS > summary["rows_this_run"]
    assert f"rows      {ROWS:,}, of which" in out


def test_interrupted_it_says_how_to_go_on(tmp_path: Path, texts: list[str], slow_url: str, stand_in_url: str) -> None:
    words = (tmp_path / "in.txt", tmp_path / "out.tsv", "--max-in-flight", "4", "--url", slow_url)
    for number in (signal.SIGINT, signal.SIGTERM):
        job = start(*words)
        wait_for_rows(tmp_path, 1_000, job)  # rows, not the header alone: that is there before the event loop is
        job.send_signal(number)
        out, error = finish(job, 130)
        assert (out, error) == ("", "stopped: the same command goes on from here\n")
    finish(start(*words[:-1], stand_in_url))
    check(tmp_path, texts)


def test_a_server_that_goes_away_is_waited_for(tmp_path: Path, texts: list[str]) -> None:
    [port] = steady_ports(1)
    words = (tmp_path / "in.txt", tmp_path / "out.tsv", "--url", f"grpc://127.0.0.1:{port}", "--max-in-flight", "4")
    with stand_in(latency=0.04, port=port):
        job = start(*words)
        wait_for_rows(tmp_path, 1, job)
    time.sleep(1.5)
    assert job.poll() is None
    with stand_in(port=port):
        _, error = finish(job)
    check(tmp_path, texts)
    assert error.startswith("waiting: ")
    assert "Traceback" not in error


def test_memory_does_not_follow_the_number_of_rows(tmp_path: Path, stand_in_url: str) -> None:
    peaks = []
    for rows in (4_000, 40_000):
        (tmp_path / "in.txt").write_text("\n".join(f"row {number} " + "x" * 100 for number in range(rows)))
        job = start(tmp_path / "in.txt", tmp_path / f"{rows}.tsv", "--url", stand_in_url)
        job.stdout.close()  # type: ignore[union-attr]
        job.stderr.close()  # type: ignore[union-attr]
        _, status, usage = os.wait4(job.pid, 0)
        job.returncode = os.waitstatus_to_exitcode(status)
        assert len((tmp_path / f"{rows}.tsv").read_text().splitlines()) == rows + 1
        peaks.append(usage.ru_maxrss / 1024)
    assert peaks[1] < peaks[0] + 12, peaks


def test_a_row_of_50_megabytes_is_one_bad_row(tmp_path: Path, stand_in_url: str) -> None:
    with (tmp_path / "in.csv").open("wb") as file:
        file.write(b'id,text\n1,a\n2,"' + (b"x" * 1023 + b"\n") * (50 << 10) + b'"\n3,b\n')
    job = start(tmp_path / "in.csv", tmp_path / "out.csv", "--url", stand_in_url)
    out, _ = finish(job)
    assert "rejected  1 (" in out
    assert (tmp_path / "out.csv").read_text().splitlines()[1:] == ["1,a,positive,0.750000,1", "3,b,positive,0.750000,1"]
    (bad,) = (tmp_path / "out.csv.rejected.jsonl").read_text().splitlines()
    assert json.loads(bad)["row"] == 2


@pytest.fixture(scope="module")
def sentences(test_examples: tuple[Example, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two hundred and some real ones."""
    path = tmp_path_factory.mktemp("sentences") / "in.jsonl"
    path.write_text("".join(json.dumps({"text": example.text}) + "\n" for example in test_examples[:250]))
    return path


def test_the_labels_are_those_that_the_client_gets(sentences: Path, tmp_path: Path, server: Server) -> None:
    finish(start(sentences, tmp_path / "out.jsonl", "--url", server.grpc_url))
    finish(start(sentences, tmp_path / "http.jsonl", "--url", server.http_url))
    found = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    with Client(server.grpc_url, "sentiment", timeout=60) as client:
        expected = client.classify([row["text"] for row in found])
    assert [(row["label"], row["model_version"]) for row in found] == [(p.label, p.model_version) for p in expected]
    assert len({row["label"] for row in found}) == 2
    assert [json.loads(line)["label"] for line in (tmp_path / "http.jsonl").read_text().splitlines()] == [
        row["label"] for row in found
    ]


def names(process: psutil.Process) -> set[str]:
    """What the processes below one are called; some are gone before they can be asked."""
    found = set()
    for child in process.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            found.add(child.name())
    return found


def test_a_server_of_its_own_ends_with_the_job(sentences: Path, tmp_path: Path, model_repository: Path) -> None:
    words = (sentences, tmp_path / "out.jsonl", "--repository", model_repository)
    job = start(*words)
    until = time.monotonic() + 100
    while "tritonserver" not in names(psutil.Process(job.pid)):
        assert job.poll() is None
        assert time.monotonic() < until
        time.sleep(0.05)
    theirs = psutil.Process(job.pid).children(recursive=True)
    job.kill()
    job.communicate()
    _, alive = psutil.wait_procs(theirs, timeout=60)
    assert alive == []
    out, _ = finish(start(*words))
    assert out.startswith("rows      250 in ")
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 250


def test_a_repository_that_cannot_be_served_is_no_trace(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("a\n")
    (tmp_path / "empty").mkdir()
    out, error = finish(start(tmp_path / "in.txt", tmp_path / "out.tsv", "--repository", tmp_path / "empty"), 1)
    assert out == ""
    assert "empty: cannot be served: tritext serve: " in error
    assert "Traceback" not in error
