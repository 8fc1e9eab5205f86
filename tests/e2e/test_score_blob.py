"""`tritext score` from blob to blob: a principal that may read one prefix and write one other; a network that fails.

A real Azurite over TLS behind a proxy that checks whose token it is and what that one may do.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.authorising_proxy import AuthorisingProxy, Faults, Request, authorising_proxy
from tests.azurite import azurite
from tests.batch.stand_in import label_of, stand_in
from tests.conftest import ROOT
from tests.token_issuer import token_issuer
from tritext_batch.blobs import BlobPlace
from tritext_batch.errors import OutputError
from tritext_export.labelled import read_examples

pytestmark = pytest.mark.e2e
COMMAND = (sys.executable, "-m", "tritext", "score")
SENTENCES = 10_000
PRINCIPAL = "scorer"


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AuthorisingProxy]:
    """The principal may read ``reviews/in`` and write ``reviews/out``."""
    with azurite(tmp_path_factory.mktemp("azurite")) as behind, token_issuer() as issuer:
        behind.container("reviews")
        with authorising_proxy(behind, issuer) as running:
            running.grant(PRINCIPAL, "read list", "reviews", "in/")
            running.grant(PRINCIPAL, "write", "reviews", "out/")
            yield running


@pytest.fixture(autouse=True)
def all_is_well(proxy: AuthorisingProxy) -> None:
    proxy.faults = Faults()
    proxy.seen.clear()


@pytest.fixture(scope="module")
def stand_in_url() -> Iterator[str]:
    """A server that answers at once."""
    with stand_in() as url:
        yield url


def run(proxy: AuthorisingProxy, folder: Path, *words: str, code: int = 0) -> tuple[str, str]:
    """Score as the principal, from a working directory of its own."""
    hidden = {
        "AZURE_STORAGE_SAS_TOKEN": "",
        "TRITEXT_SAS_FILE": "",
        "TRITEXT_BLOB_RETRIES": "1",
        "PYTHONPATH": str(ROOT),
    }
    environment = os.environ | hidden | proxy.service.environment() | proxy.issuer.environment(PRINCIPAL)
    done = subprocess.run(
        [*COMMAND, *words], capture_output=True, text=True, cwd=folder, env=environment, timeout=200, check=False
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout, done.stderr


def put(proxy: AuthorisingProxy, name: str, content: bytes) -> None:
    proxy.behind.container("reviews").upload_blob(name, content, overwrite=True)


def get(proxy: AuthorisingProxy, name: str) -> bytes:
    return bytes(proxy.behind.container("reviews").download_blob(name).readall())


def behind_the_question() -> Callable[[Request], bool]:
    """Strike what is written, but not the two requests that only ask whether it may be."""
    writes = count()
    return lambda request: request.action == "write" and next(writes) >= 2


def test_from_blob_to_blob(proxy: AuthorisingProxy, tmp_path: Path, corpus: Path, stand_in_url: str) -> None:
    texts = [example.text for example in read_examples(corpus)[:SENTENCES]]
    lines = [json.dumps({"n": n, "text": text}) for n, text in enumerate(texts)]
    put(proxy, "in/all.jsonl", "\n".join([*lines, "{"]).encode())
    job = {
        "name": "all", "input_uri": "az://reviews/in/all.jsonl", "output_uri": "az://reviews/out/all.jsonl",
        "model": {"source_type": "endpoint", "source_uri": stand_in_url},
    }  # fmt: skip
    (tmp_path / "job.yml").write_text(json.dumps(job))
    out, _ = run(proxy, tmp_path, "--job", "job.yml")
    rows = [json.loads(line) for line in get(proxy, "out/all.jsonl").splitlines()]
    assert [(row["n"], row["text"], row["label"]) for row in rows] == [(n, t, label_of(t)) for n, t in enumerate(texts)]
    assert json.loads(get(proxy, "out/all.jsonl.rejected.jsonl"))["row"] == SENTENCES + 1
    assert "rejected  1 (az://reviews/out/all.jsonl.rejected.jsonl)" in out
    assert [path.name for path in tmp_path.iterdir()] == ["job.yml"]
    named = [request.name for request, status in proxy.seen if request.action == "write" and status < 300]
    assert named[0] == "out/all.jsonl.rejected.jsonl"
    assert set(named[1:]) == {"out/all.jsonl"}


def test_writing_elsewhere_is_refused_before_anything_is_done(proxy: AuthorisingProxy, tmp_path: Path) -> None:
    put(proxy, "in/few.txt", b"a\nbb\n")
    words = ("az://reviews/in/few.txt", "az://reviews/elsewhere/few.tsv", "--repository", "none-to-serve")
    for more in ((), ("--overwrite",)):
        _, error = run(proxy, tmp_path, *words, *more, code=1)
        assert "az://reviews/elsewhere/few.tsv: access denied" in error
        assert "Storage Blob Data Contributor" in error
    assert list(tmp_path.iterdir()) == []
    _, error = run(proxy, tmp_path, words[0], "az://nowhere/out/few.tsv", *words[2:], code=1)
    assert "az://nowhere/out/few.tsv: access denied" in error
    proxy.grant(PRINCIPAL, "write", "nowhere")
    _, error = run(proxy, tmp_path, words[0], "az://nowhere/out/few.tsv", *words[2:], code=1)
    assert "az://nowhere/out/few.tsv: there is no such container" in error


def test_asking_whether_one_may_write_leaves_nothing(proxy: AuthorisingProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    rights = {"AZURE_STORAGE_SAS_TOKEN": proxy.behind.shared_access("reviews", "w"), "TRITEXT_SAS_FILE": ""}
    for name, value in (proxy.behind.environment() | rights).items():
        monkeypatch.setenv(name, value)
    container = proxy.behind.container("reviews")
    asked = BlobPlace(f"{proxy.behind.url}/reviews/asked/few.tsv")
    asked.require_writable(1, overwrite=False)
    asked.require_writable(1, overwrite=True)
    assert list(container.list_blobs("asked/", include=["uncommittedblobs"])) == []
    put(proxy, "asked/few.tsv", b"mine")
    asked.require_writable(1, overwrite=True)
    with pytest.raises(OutputError, match=r"asked/few.tsv: exists: name another output"):
        asked.require_writable(1, overwrite=False)
    assert get(proxy, "asked/few.tsv") == b"mine"
    assert container.get_blob_client("asked/few.tsv").get_block_list("all") == ([], [])


def test_a_right_that_goes_during_the_job_costs_no_row(
    proxy: AuthorisingProxy, tmp_path: Path, stand_in_url: str
) -> None:
    put(proxy, "in/few.txt", b"a\nbb\n")
    words = ("az://reviews/in/few.txt", "az://reviews/out/late.tsv", "--url", stand_in_url, "--work", "work")
    proxy.faults = Faults(status=403, only=behind_the_question())
    _, error = run(proxy, tmp_path, *words, code=1)
    assert "az://reviews/out/late.tsv: access denied" in error
    proxy.faults = Faults()
    out, _ = run(proxy, tmp_path, words[0], "az://reviews/out/other.tsv", *words[2:])
    assert out.startswith("rows      2, of which 0 in this run")
    assert get(proxy, "out/other.tsv").count(b"\n") == 3


def test_an_upload_whose_answer_was_lost_is_found_again(
    proxy: AuthorisingProxy, tmp_path: Path, stand_in_url: str
) -> None:
    put(proxy, "in/few.txt", b"a\nbb\n")
    words = ("az://reviews/in/few.txt", "az://reviews/both/few.tsv", "--url", stand_in_url, "--work", "work")
    proxy.grant(PRINCIPAL, "read list write", "reviews", "both/")
    proxy.faults = Faults(outage=True, only=behind_the_question())
    run(proxy, tmp_path, *words, code=1)
    proxy.faults = Faults()
    put(proxy, "both/few.tsv", (tmp_path / "work" / "rows").read_bytes())
    out, _ = run(proxy, tmp_path, *words)
    assert out.startswith("rows      2, of which 0 in this run")


def test_reading_elsewhere_is_refused(proxy: AuthorisingProxy, tmp_path: Path, stand_in_url: str) -> None:
    put(proxy, "private/few.txt", b"a\n")
    words = ("az://reviews/private/few.txt", "az://reviews/out/x.tsv", "--url", stand_in_url)
    _, error = run(proxy, tmp_path, *words, code=1)
    assert "az://reviews/private/few.txt: access denied" in error
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_exists_is_kept_and_known_to_those_who_may_not_read_it(
    proxy: AuthorisingProxy, tmp_path: Path
) -> None:
    put(proxy, "in/few.txt", b"a\nbb\n")
    put(proxy, "out/mine.tsv", b"mine")
    words = ("az://reviews/in/few.txt", "az://reviews/out/mine.tsv", "--repository", "none-to-serve")
    _, error = run(proxy, tmp_path, *words, code=1)
    assert "az://reviews/out/mine.tsv: exists: name another output, or replace it with --overwrite" in error
    assert get(proxy, "out/mine.tsv") == b"mine"
    assert list(tmp_path.iterdir()) == []


def test_the_network_goes_and_comes_back(proxy: AuthorisingProxy, tmp_path: Path, stand_in_url: str) -> None:
    content = b"".join(b"row %d %s\n" % (number, b"x" * 500) for number in range(20_000))
    put(proxy, "in/large.txt", content)
    words = ("az://reviews/in/large.txt", "az://reviews/out/large.tsv", "--url", stand_in_url)
    reads = iter(range(100))
    proxy.faults = Faults(outage=True, only=lambda request: request.name == "in/large.txt" and next(reads) >= 4)
    _, error = run(proxy, tmp_path, *words, code=1)
    assert "az://reviews/in/large.txt: cannot be reached" in error
    proxy.faults = Faults()
    out, _ = run(proxy, tmp_path, *words)
    assert "rows      20,000, of which " in out
    rows = get(proxy, "out/large.tsv").splitlines()[1:]
    assert [row.split(b"\t")[0] for row in rows] == content.splitlines()


def test_what_is_not_there_is_named(proxy: AuthorisingProxy, tmp_path: Path, stand_in_url: str) -> None:
    _, error = run(proxy, tmp_path, "az://reviews/in/none.txt", "out.tsv", "--url", stand_in_url, code=1)
    assert "there is nothing under this name" in error
    _, error = run(proxy, tmp_path, "ftp://host/few.txt", "out.tsv", "--url", stand_in_url, code=1)
    assert "ftp://host/few.txt: nothing here speaks to that: give az://" in error
    assert list(tmp_path.iterdir()) == []
