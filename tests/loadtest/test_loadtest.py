"""The whole command, against real servers: every scenario, both protocols, what it finds and what it refuses."""

import hashlib
import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.conftest import load_json
from tritext._cli.main import main
from tritext_loadtest.scenarios import SCENARIOS
from tritext_serve.server import Server

# So slow that the queue holds two seconds of it: a busy machine stands still for one.
RATE, SECONDS = "10", "3"


def words(server: Server, repository: Path, corpus: Path, scenario: str, *more: str) -> list[str]:
    """What to say after `tritext`."""
    where = ["--url", server.grpc_url, "--repository", str(repository), "--metrics", server.metrics_url]
    load = ["--rate", RATE, "--duration", SECONDS, "--max-lateness", "20000", "--timeout", "60"]
    return ["loadtest", scenario, "--texts", str(corpus), *where, *load, *more]


def plant(repository: Path, folder: Path, share: int) -> Path:
    """Copy what a repository says must be answered, with every so many-th label another."""
    version = folder / "sentiment" / "1"
    version.mkdir(parents=True)
    content = load_json(repository / "sentiment" / "1" / "expectations.json")
    for number, value in enumerate(content["texts"].values()):
        value[0] = 1 - value[0] if number % share == 0 else value[0]
        value[1] = 1.0
    (version / "expectations.json").write_text(json.dumps(content))
    digest = hashlib.sha256((version / "expectations.json").read_bytes()).hexdigest()
    (version / "manifest.json").write_text(json.dumps({"files": {"sentiment/1/expectations.json": digest}}))
    return folder


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_each_scenario_gets_every_label_right(
    server: Server, model_repository: Path, corpus: Path, tmp_path: Path, scenario: str
) -> None:
    both = ["--url", server.http_url, "--json", str(tmp_path / "r.json")]
    assert main(words(server, model_repository, corpus, scenario, *both)) == 0
    found = load_json(tmp_path / "r.json")
    totals = found["totals"]
    assert found["verdict"] == "held"
    rejected = totals["outcomes"].get("rejected", 0)
    assert totals["answered_texts"] + rejected == totals["texts"] > 10
    assert (totals["wrong"], totals["error_rate"]) == (0, 0)
    assert rejected == 0 or scenario == "spike", "only a spike may be more than a slow machine can queue"
    assert found["subject"]["certified"] == 1095
    assert found["served_totals"]["sentiment"]["texts"] >= totals["answered_texts"]
    assert len(found["memory"]) >= 3


@pytest.mark.e2e
@pytest.mark.slow
def test_planted_labels_are_found_and_told_in_every_report(
    server: Server, model_repository: Path, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    planted = plant(model_repository, tmp_path / "repository", 2)
    files = {name: tmp_path / f"r.{name}" for name in ("json", "junit", "markdown", "html")}
    reports = [word for name, path in files.items() for word in (f"--{name}", str(path))]
    assert main(words(server, planted, corpus, "steady", *reports)) == 1
    said = capsys.readouterr().out
    assert "SLO broken: label_mismatch" in said
    assert "wrong label: " in said
    assert load_json(files["json"])["totals"]["wrong"] > 2
    assert '<failure message="label_mismatch' in files["junit"].read_text()
    assert "SLO broken" in files["markdown"].read_text()
    assert "Wrong labels" in files["html"].read_text()


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.alone
def test_workers_share_the_load_and_slow_objectives_break(
    server: Server, model_repository: Path, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "slo.toml").write_text("p50_ms = 0.001\n")
    more = ["--workers", "2", "--slo", str(tmp_path / "slo.toml"), "--json", str(tmp_path / "r.json")]
    assert main(words(server, model_repository, corpus, "steady", *more)) == 1
    assert "in 2 processes" in capsys.readouterr().out
    found = load_json(tmp_path / "r.json")
    assert found["totals"]["outcomes"]["answered"] == found["totals"]["requests"] > 10
    assert [c["name"] for c in found["checks"] if not c["holds"]] == ["p50_ms"]


@pytest.mark.e2e
@pytest.mark.slow
def test_ctrl_c_ends_the_load_and_still_reports(
    server: Server, model_repository: Path, corpus: Path, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    more = ["--web", str(port), "--json", str(tmp_path / "r.json"), "--duration", "100"]
    command = [sys.executable, "-m", "tritext", *words(server, model_repository, corpus, "steady", *more)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert wait_for_requests(f"http://127.0.0.1:{port}/stats/requests") > 0
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; so far SLO held" in said
    found = load_json(tmp_path / "r.json")
    assert found["totals"]["seconds"] < 60
    assert found["totals"]["requests"] > 0


def wait_for_requests(url: str) -> int:
    """Read Locust's page until it has seen a request."""
    for _ in range(300):
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                stats: dict[str, Any] = json.load(answer)
        except OSError:
            stats = {"stats": []}
        seen: int = max((row["num_requests"] for row in stats["stats"]), default=0)
        if seen:
            return seen
        time.sleep(0.1)
    return 0


@pytest.mark.e2e
@pytest.mark.slow
def test_a_load_that_this_side_could_not_make_is_void(
    server: Server, model_repository: Path, corpus: Path, tmp_path: Path
) -> None:
    more = ["--max-lateness", "300", "--duration", "5", "--rate", "40", "--json", str(tmp_path / "r.json")]
    command = [sys.executable, "-m", "tritext", *words(server, model_repository, corpus, "steady", *more)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        sending = wait_for_generator(process.pid)
        sending.suspend()  # the schedule goes on without it
        time.sleep(2)
        sending.resume()
        said, _ = process.communicate(timeout=120)
    assert process.returncode == 3
    assert "void: one request in a hundred was sent more than" in said
    assert load_json(tmp_path / "r.json")["totals"]["lateness_p99"] > 300


def wait_for_generator(pid: int) -> psutil.Process:
    """Find the process that sends, once it does."""
    for _ in range(600):
        for child in psutil.Process(pid).children():
            if any(connection.status == psutil.CONN_ESTABLISHED for connection in child.net_connections("tcp")):
                time.sleep(1)  # past the warm-up
                return child
        time.sleep(0.1)
    raise TimeoutError("no process began to send")


def refuse(capsys: pytest.CaptureFixture[str], command: Sequence[str]) -> str:
    """Run a command that measures nothing; give what it says."""
    assert main(list(command)) == 2
    return capsys.readouterr().err


@pytest.mark.e2e
def test_what_cannot_be_measured_is_one_clear_line(
    server: Server, model_repository: Path, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.tsv"
    other.write_text("text\nnobody certified this\n")
    (tmp_path / "slo.toml").write_text("p99 = 1\n")
    (tmp_path / "key").write_text("")

    def said(*more: str) -> str:
        return refuse(capsys, words(server, model_repository, corpus, "steady", *more))

    assert "none of its texts is in the certificate of sentiment version 1" in said("--texts", str(other))
    assert "unknown field `p99`" in said("--slo", str(tmp_path / "slo.toml"))
    assert "is the server up" in said("--url", "grpc://127.0.0.1:9", "--timeout", "2")
    assert "check the model's name" in said("--model", "nobody")
    assert "no such folder" in said("--repository", str(tmp_path))
    assert "is empty" in said("--key", str(tmp_path / "key"))
    assert "lower --rate" in said("--rate", "1e9")
    assert "holds no texts" in said("--texts", str(tmp_path / "key"))
    assert "is a folder: choose another place; nothing was measured" in said("--html", str(tmp_path))
    assert "tells nothing of sentiment" in said("--metrics", f"{server.http_url}/v2")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--rate", "0"], "not a number above 0"),
        (["--workers", "none"], "not a whole number"),
        (["--workers", "65"], "a whole number from 1 to 64"),
        (["-x"], "unrecognized"),
    ],
)
def test_wrong_usage_ends_with_two(more: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["loadtest", "steady", "--texts", "t.tsv", *more]) == 2
    assert words in capsys.readouterr().err
