"""`tritext score` on a server of its own, whose repository lies in blob storage: pulled, served, gone with the job.

A real Azurite over TLS behind a proxy that checks whose token it is and what that one may do.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.authorising_proxy import AuthorisingProxy, authorising_proxy
from tests.azurite import azurite
from tests.token_issuer import token_issuer
from tritext_export.labelled import Example

pytestmark = pytest.mark.e2e
COMMAND = (sys.executable, "-m", "tritext")
MODELS = "az://models/sentiment"
ROWS = 3000


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AuthorisingProxy]:
    """One principal may push models, the other read them."""
    with azurite(tmp_path_factory.mktemp("azurite")) as behind, token_issuer() as issuer:
        behind.container("models")
        with authorising_proxy(behind, issuer) as running:
            running.grant("exporter", "read list write", "models")
            running.grant("scorer", "read list", "models", "sentiment/")
            yield running


def identity(proxy: AuthorisingProxy, principal: str) -> Mapping[str, str]:
    """The environment of a principal's process."""
    hidden = {"AZURE_STORAGE_SAS_TOKEN": "", "TRITEXT_SAS_FILE": "", "TRITEXT_BLOB_RETRIES": "1"}
    return os.environ | hidden | proxy.service.environment() | proxy.issuer.environment(principal)


def push(proxy: AuthorisingProxy, repository: Path) -> None:
    """Make this the repository in blob storage."""
    command = [*COMMAND, "repository", "push", str(repository), MODELS]
    subprocess.run(command, env=identity(proxy, "exporter"), capture_output=True, timeout=200, check=True)


def start(proxy: AuthorisingProxy, folder: Path, *words: str) -> "subprocess.Popen[str]":
    """Begin to score, or go on."""
    command = [*COMMAND, "score", "in.jsonl", "out.jsonl", "--work", "work", *words]
    return subprocess.Popen(
        command, env=identity(proxy, "scorer"), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(job: "subprocess.Popen[str]", code: int = 0) -> str:
    out, error = job.communicate(timeout=250)
    assert job.returncode == code, error
    assert "Traceback" not in error
    return out + error


def kill_behind_the_first_rows(job: "subprocess.Popen[str]", journal: Path) -> None:
    """Kill the job when some rows are counted and most are not."""
    until = time.monotonic() + 200
    while not (journal.exists() and json.loads(journal.read_text().splitlines()[0])["progress"]["number"]):
        assert job.poll() is None, job.communicate()
        assert time.monotonic() < until
        time.sleep(0.01)
    job.kill()
    job.communicate()


def fetched(proxy: AuthorisingProxy) -> list[str]:
    """Which contents have been read since the last look."""
    names = [request.name for request, _ in proxy.seen if request.action == "read" and "/content/" in request.name]
    proxy.seen.clear()
    return names


@pytest.mark.slow
def test_the_model_is_pulled_once_and_bound_to_the_job(
    proxy: AuthorisingProxy, tmp_path: Path, test_examples: tuple[Example, ...], int8_repository: Path
) -> None:
    texts = [test_examples[number % len(test_examples)].text for number in range(ROWS)]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    push(proxy, int8_repository)
    proxy.seen.clear()
    kill_behind_the_first_rows(start(proxy, tmp_path, "--repository", MODELS), tmp_path / "work" / "journal")
    assert (tmp_path / "work" / "repository" / "sentiment").is_dir()
    assert len(fetched(proxy)) > 1
    shutil.copytree(int8_repository, tmp_path / "other", symlinks=True)
    manifest = tmp_path / "other" / "sentiment" / "1" / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"source": "another"}))
    push(proxy, tmp_path / "other")
    fetched(proxy)
    said = finish(start(proxy, tmp_path, "--repository", MODELS), 1)
    assert "version 1 of sentiment began this output as that of manifest " in said
    assert "let both stand in it with --mixed-versions" in said
    assert len(fetched(proxy)) == 1, "only the manifest is another"
    push(proxy, int8_repository)
    fetched(proxy)
    said = finish(start(proxy, tmp_path, "--repository", MODELS))
    assert fetched(proxy) == []
    assert f"rows      {ROWS:,}, of which" in said
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["text"] for row in rows] == texts
    assert {row["label"] for row in rows} == {"negative", "positive"}
    assert not (tmp_path / "work").exists()


def test_why_a_model_cannot_be_had_is_said(proxy: AuthorisingProxy, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "a"}\n')
    said = finish(start(proxy, tmp_path, "--repository", "az://models/private"), 1)
    assert "az://models/private/tritext-repository.json: access denied" in said
    said = finish(start(proxy, tmp_path, "--repository", f"{MODELS}/none"), 1)
    assert "there is nothing under this name" in said
    proxy.behind.container("models").upload_blob("sentiment/half/content/" + "0" * 64, b"half")
    said = finish(start(proxy, tmp_path, "--repository", f"{MODELS}/half"), 1)
    assert "a repository is there once `tritext repository push` has finished" in said
    said = finish(start(proxy, tmp_path, "--repository", "ftp://host/models"), 1)
    assert "ftp://host/models: nothing here speaks to that: give az://" in said
    assert not (tmp_path / "out.jsonl").exists()
