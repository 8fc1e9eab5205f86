"""The whole command against real servers: a search of two settings, Ctrl-C, and what it refuses."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.conftest import load_json, server_options
from tritext import Client
from tritext._cli.main import main
from tritext_serve.server import Server
from tritext_serve.tuned import read_tuned


def words(repository: Path, corpus: Path, folder: Path, *more: str) -> list[str]:
    """What to say after `tritext`."""
    where = ["--repository", str(repository), "--texts", str(corpus), "--out", str(folder / "tuned.toml")]
    return ["tune", *where, "--quick", "--rate", "25", "--seconds", "1", "--json", str(folder / "t.json"), *more]


@pytest.fixture(scope="module")
def few(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some sentences without labels, as a sample of somebody's traffic is."""
    path = tmp_path_factory.mktemp("few") / "few.tsv"
    lines = corpus.read_text(encoding="utf-8").splitlines()[1:49]
    path.write_text("\n".join(["text", *(line.split("\t")[0] for line in lines)]) + "\n", encoding="utf-8")
    return path


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.alone
def test_two_settings_are_held_against_each_other(
    model_repository: Path, few: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = ["--html", str(tmp_path / "t.html"), "--png", str(tmp_path / "t.png")]
    assert main(words(model_repository, few, tmp_path, "--settings", "2", *pictures)) == 0
    found = load_json(tmp_path / "t.json")
    assert [len(one["turns"]) for one in found["settings"]] == [6, 6]
    for one in found["settings"]:
        assert all(turn["cpu_milliseconds"] > 0 and turn["texts"] > 0 for turn in one["turns"])
        assert sum(turn["figures"]["label_mismatch"] for turn in one["turns"]) == 0
    assert found["objectives_hold"]
    assert found["texts_per_second"] == 25
    said = capsys.readouterr()
    assert f"serve with it: tritext serve {model_repository} --tuned" in said.out
    assert "rung 1 of 1" in said.err
    assert "finding out what it takes at most" not in said.err, "the rate was given"
    assert (tmp_path / "t.html").read_text().count("<svg") == 2
    assert (tmp_path / "t.png").read_bytes().startswith(b"\x89PNG")
    serve_with(read_tuned(tmp_path / "tuned.toml"), model_repository, found["winner"])


def serve_with(tuned, repository: Path, winner: dict[str, float]) -> None:  # type: ignore[no-untyped-def]
    """A server takes the file, runs so many processes, and answers."""
    assert tuned.parameters["max_batch_tokens"] == str(winner["max_batch_tokens"])
    with Server(repository, server_options(tuned=(tuned,))) as server, Client(server.grpc_url, "sentiment") as client:
        assert client.classify("A wonderful film.").label == "positive"


@pytest.mark.e2e
@pytest.mark.slow
def test_objectives_that_nobody_can_hold_break_the_search_and_write_no_file(
    model_repository: Path, few: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    slo = tmp_path / "slo.toml"
    slo.write_text("p99_ms = 0.001\nrss_slope_mib_per_100k = 1\n")
    command = words(model_repository, few, tmp_path, "--settings", "1", "--slo", str(slo), "--batch", "4")
    rate = command.index("--rate")
    assert main(command[:rate] + command[rate + 2 :]) == 1
    said = capsys.readouterr()
    assert "finding out what it takes at most" in said.err
    assert "No setting holds the objectives; of the usual one: p99_ms" in said.out
    assert "not looked at: rss_slope_mib_per_100k" in said.err
    assert not (tmp_path / "tuned.toml").exists()


@pytest.mark.e2e
@pytest.mark.slow
def test_ctrl_c_keeps_what_was_measured_and_leaves_no_server(model_repository: Path, few: Path, tmp_path: Path) -> None:
    line = [
        sys.executable,
        "-m",
        "tritext",
        *words(model_repository, few, tmp_path, "--settings", "2", "--seconds", "2"),
    ]
    with subprocess.Popen(line, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        turns = 0
        for said in process.stderr:
            turns += said.startswith("· rung")
            if turns == 3:  # the second round has begun
                break
        time.sleep(0.3)
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; until then: " in out
    found = load_json(tmp_path / "t.json")
    assert found["interrupted"]
    assert sum(len(one["turns"]) for one in found["settings"]) >= 2
    _, alive = psutil.wait_procs(children, timeout=10)
    assert alive == []


def test_what_cannot_be_tuned_is_one_clear_line(
    model_repository: Path, few: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    slo = tmp_path / "slo.toml"
    slo.write_text("p98_ms = 3\n")
    for more, said in [
        (["--model", "nothing"], "give a --repository that `tritext export` wrote"),
        (["--batch", "65"], "--batch 65: take 48 at most"),
        (["--slo", str(slo)], "unknown field `p98_ms`"),
        (["--texts", str(tmp_path / "none.tsv")], "none.tsv"),
        (["--out", str(tmp_path)], "is a folder: choose another place; nothing was measured"),
    ]:
        assert main(words(model_repository, few, tmp_path, *more)) == 1
        assert said in capsys.readouterr().err


@pytest.mark.e2e
@pytest.mark.slow
def test_a_server_that_does_not_start_ends_the_search_with_its_reason(
    model_repository: Path, few: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repository = tmp_path / "repository"
    for path in (model_repository / "sentiment", model_repository / "sentiment_classifier"):
        for file in filter(Path.is_file, path.rglob("*")):
            target = repository / path.name / file.relative_to(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
    (repository / "sentiment" / "1" / "manifest.json").write_text("{}")
    assert main(words(repository, few, tmp_path)) == 1
    said = capsys.readouterr().err
    assert "the usual setting: " in said
    assert "tritext serve: " in said
