"""A new version beside a running server: killed half-way or not, what is served goes on being served."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT, load_json, server_options
from tests.e2e.raw import infer, text_input
from tests.e2e.test_serving import damaged
from tritext_export.labelled import Example, write_tsv
from tritext_serve.repository import scan
from tritext_serve.server import Server

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(600)]

# What stands in the staging folder when the export is killed.
MOMENTS = (".staging-*", ".staging-*/sentiment_classifier/*/model.onnx", ".staging-*/sentiment/*/tokenizer.json")


def start_export(repository: Path, texts: Path) -> subprocess.Popen[bytes]:
    """Begin to export the trained model once more."""
    command = [sys.executable, "-m", "tritext", "export", "demo/sentiment", "--name", "sentiment", "--force"]
    options = ["--label-output", "sentiment", "--texts", str(texts), "--repository", str(repository)]
    return subprocess.Popen([*command, *options], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def kill_when(repository: Path, pattern: str, process: subprocess.Popen[bytes]) -> None:
    """Kill the export as soon as something appears in the repository."""
    deadline = time.monotonic() + 120
    while not list(repository.glob(pattern)):
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait(30)


def test_a_killed_export_never_disturbs_what_is_served(
    model_repository: Path, tmp_path: Path, test_examples: tuple[Example, ...]
) -> None:
    repository = damaged(model_repository, tmp_path, "", None)
    texts = tmp_path / "texts.tsv"
    write_tsv(texts, test_examples[:64])
    with Server(repository, server_options(instances={"": 1})) as server:
        for pattern in MOMENTS:
            kill_when(repository, pattern, start_export(repository, texts))
            assert [v.name for m in scan(repository) for v in m.served_versions] == ["1", "1"]
            assert infer(server.http_url, "sentiment", [text_input("A wonderful film.")])[0] == 200
        assert start_export(repository, texts).wait(180) == 0
        assert not list(repository.glob(".staging-*"))
        status, answer = infer(server.http_url, "sentiment", [text_input("A wonderful film.")])
        assert (status, answer["model_version"]) == (200, "1"), "the running server keeps what it has"
    (front, classifier) = scan(repository)
    assert [v.name for v in front.served_versions] == [v.name for v in classifier.served_versions] == ["2"]
    assert load_json(front.served_versions[0] / "certificate.json")["passed"]
    with Server(repository, server_options(instances={"": 1})) as server:
        _, answer = infer(server.http_url, "sentiment", [text_input("A wonderful film.")])
        assert answer["model_version"] == "2"
