"""A new version beside a running server: killed half-way or not, what is served goes on being served."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, load_json, server_options
from tests.e2e.raw import infer, text_input
from tests.e2e.test_serving import damaged
from tritext_export.labelled import Example, write_tsv
from tritext_serve.repository import scan
from tritext_serve.server import Server

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(600)]

# What is about to be written when the export is killed: nothing is staged but folders, or all but this last file.
MOMENTS = ("tokenizer.json", "manifest.json")


def export(repository: Path, texts: Path, *program: str) -> int:
    """Export the trained model once more; gives how the process ended."""
    command = [sys.executable, "-m", *program, "export", "demo/sentiment", "--name", "sentiment", "--force"]
    options = ["--label-output", "sentiment", "--texts", str(texts), "--repository", str(repository)]
    return subprocess.run([*command, *options], cwd=ROOT, check=False, capture_output=True, timeout=300).returncode


def test_a_killed_export_never_disturbs_what_is_served(
    model_repository: Path, tmp_path: Path, test_examples: tuple[Example, ...]
) -> None:
    repository = damaged(model_repository, tmp_path, "", None)
    texts = tmp_path / "texts.tsv"
    write_tsv(texts, test_examples[:64])
    with Server(repository, server_options(instances={"": 1})) as server:
        for name in MOMENTS:
            assert export(repository, texts, "tests.e2e.doomed", name) == -signal.SIGKILL
            assert list(repository.glob(".staging-*")), "it died half-way"
            assert [v.name for m in scan(repository) for v in m.served_versions] == ["1", "1"]
            assert infer(server.http_url, "sentiment", [text_input("A wonderful film.")])[0] == 200
        assert export(repository, texts, "tritext") == 0
        assert not list(repository.glob(".staging-*"))
        status, answer = infer(server.http_url, "sentiment", [text_input("A wonderful film.")])
        assert (status, answer["model_version"]) == (200, "1"), "the running server keeps what it has"
    (front, classifier) = scan(repository)
    assert [v.name for v in front.served_versions] == [v.name for v in classifier.served_versions] == ["2"]
    assert load_json(front.served_versions[0] / "certificate.json")["passed"]
    with Server(repository, server_options(instances={"": 1})) as server:
        _, answer = infer(server.http_url, "sentiment", [text_input("A wonderful film.")])
        assert answer["model_version"] == "2"
