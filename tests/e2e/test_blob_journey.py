"""From blob to blob with real parts alone: a repository pushed and pulled, and 10,000 sentences scored by what came.

Nobody may do more than the step needs: one principal pushes, another reads the models and one prefix and writes one
other. The job is killed five times on the way.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.authorising_proxy import AuthorisingProxy, authorising_proxy
from tests.azurite import azurite
from tests.conftest import server_options
from tests.token_issuer import token_issuer
from tritext import Client
from tritext_export.labelled import read_examples
from tritext_serve.server import Server

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900)]
SENTENCES, KILLS = 10_000, 5
# Of the scored rows, which are more than twice as many: who is killed before that has not finished.
MOST_BYTES = 800_000
COMMAND = (sys.executable, "-m", "tritext")
MODELS, INPUT, OUTPUT = "az://models/sentiment", "az://reviews/in/all.jsonl", "az://reviews/out/all.jsonl"


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AuthorisingProxy]:
    """What stands before the blobs, and knows two principals."""
    with azurite(tmp_path_factory.mktemp("azurite")) as behind, token_issuer() as issuer:
        behind.container("models")
        behind.container("reviews")
        with authorising_proxy(behind, issuer) as running:
            running.grant("exporter", "read list write", "models", "sentiment/")
            running.grant("scorer", "read list", "models", "sentiment/")
            running.grant("scorer", "read list", "reviews", "in/")
            running.grant("scorer", "write", "reviews", "out/")
            yield running


def identity(proxy: AuthorisingProxy, principal: str) -> Mapping[str, str]:
    """The environment of a principal's process."""
    hidden = {"AZURE_STORAGE_SAS_TOKEN": "", "TRITEXT_SAS_FILE": "", "TRITEXT_BLOB_RETRIES": "1"}
    return os.environ | hidden | proxy.service.environment() | proxy.issuer.environment(principal)


def tritext(proxy: AuthorisingProxy, principal: str, folder: Path, *words: str) -> str:
    """Run a verb as a principal does; give what it says."""
    done = subprocess.run(
        [*COMMAND, *words],
        env=identity(proxy, principal), cwd=folder, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def kill_at_random(proxy: AuthorisingProxy, folder: Path, words: tuple[str, ...]) -> None:
    """Start the job again and again, and kill it in the midst of whatever it does: twice as it starts."""
    draw = random.Random(5)
    thresholds = sorted(draw.randrange(1, MOST_BYTES) for _ in range(KILLS - 2))
    for threshold in (None, thresholds[0], None, *thresholds[1:]):
        with (folder / "killed.log").open("w") as log:
            job = subprocess.Popen(
                [*COMMAND, *words], env=identity(proxy, "scorer"), cwd=folder, stdout=log, stderr=log
            )
            if threshold:
                wait_for_bytes(folder / "work" / "rows", threshold, job)
            time.sleep(draw.uniform(0, 0.2 if threshold else 2))
            job.kill()
            assert job.wait(10) == -signal.SIGKILL, (folder / "killed.log").read_text()


def wait_for_bytes(path: Path, size: int, job: "subprocess.Popen[bytes]") -> None:
    """Wait until a file has so many bytes, or the job is done."""
    until = time.monotonic() + 120
    while not (path.exists() and path.stat().st_size >= size) and job.poll() is None and time.monotonic() < until:
        time.sleep(0.002)


def test_a_pulled_repository_scores_from_blob_to_blob(
    proxy: AuthorisingProxy, tmp_path: Path, corpus: Path, int8_repository: Path
) -> None:
    texts = [example.text for example in read_examples(corpus)[:SENTENCES]]
    reviews = proxy.behind.container("reviews")
    reviews.upload_blob("in/all.jsonl", "".join(f"{json.dumps({'n': n, 'text': t})}\n" for n, t in enumerate(texts)))
    tritext(proxy, "exporter", tmp_path, "repository", "push", str(int8_repository), MODELS)
    tritext(proxy, "scorer", tmp_path, "repository", "pull", MODELS, "pulled")
    words = ("score", INPUT, OUTPUT, "--repository", "pulled", "--work", "work")
    kill_at_random(proxy, tmp_path, words)
    said = tritext(proxy, "scorer", tmp_path, *words, "--summary", "summary.json")
    assert said.startswith("rows      10,000")
    rows = [json.loads(line) for line in reviews.download_blob("out/all.jsonl").readall().splitlines()]
    assert [(row["n"], row["text"]) for row in rows] == list(enumerate(texts))
    assert {row["model_version"] for row in rows} == {"1"}
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["labels"] == Counter(row["label"] for row in rows)
    some = range(0, SENTENCES, 50)
    assert [rows[n]["label"] for n in some] == answers(int8_repository, [texts[n] for n in some])
    assert {r.name.split("/")[0] for r, status in proxy.seen if r.action == "write" and status < 300} == {
        "out", "sentiment",
    }  # fmt: skip


def answers(repository: Path, texts: list[str]) -> list[str]:
    """The labels that a server gives which has the repository itself."""
    with Server(repository, server_options(instances={})) as server, Client(server.grpc_url, timeout=120) as client:
        return [prediction.label for prediction in client.classify(texts)]
