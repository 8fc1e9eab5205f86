"""A real job with the rights that are rendered for it: `tritext score` from blob to blob, and nothing else passes.

A real Azurite over TLS, behind a proxy that asks the roles and their conditions whether a token's bearer may.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.authorising_proxy import AuthorisingProxy, Request, authorising_proxy
from tests.azurite import azurite
from tests.batch.stand_in import label_of, stand_in
from tests.conftest import ROOT
from tests.deploy.iam import conditions
from tests.deploy.iam.assigned import allowed
from tests.deploy.iam.test_roles import CLOUD, of
from tests.token_issuer import token_issuer

pytestmark = pytest.mark.e2e
JOB, WRITER = CLOUD.job_identity, "jobWrite"
ACTIONS = {"read": conditions.READ, "write": conditions.WRITE, "delete": conditions.DELETE}


def asked(request: Request) -> conditions.Request:
    """A request of the wire as Azure's conditions see it; one that names no blob is for what holds them."""
    if request.action == "list":
        return conditions.on_list(request.container, request.name)
    if not request.name:
        return conditions.Request(f"{conditions.BLOBS.rpartition('/')[0]}/{request.action}")
    return conditions.on_blob(ACTIONS[request.action], request.container, request.name)


@pytest.fixture
def proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AuthorisingProxy]:
    def allows(_: AuthorisingProxy, request: Request) -> bool:
        return allowed(of(request.principal), request.container, asked(request))

    monkeypatch.setattr(AuthorisingProxy, "allows", allows)
    (tmp_path / "azurite").mkdir()
    with azurite(tmp_path / "azurite") as behind, token_issuer() as issuer:
        behind.container("reviews")
        with authorising_proxy(behind, issuer) as running:
            yield running


def score(proxy: AuthorisingProxy, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Score as the jobs' identity."""
    hidden = {"AZURE_STORAGE_SAS_TOKEN": "", "TRITEXT_SAS_FILE": "", "TRITEXT_BLOB_RETRIES": "0"}
    told = hidden | {"PYTHONPATH": str(ROOT)} | proxy.service.environment() | proxy.issuer.environment(JOB)
    command = [sys.executable, "-m", "tritext", "score", *words]
    environment = os.environ | told
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_a_job_has_all_the_rights_that_it_needs_and_needs_all_that_it_has(
    proxy: AuthorisingProxy, tmp_path: Path
) -> None:
    container = proxy.behind.container("reviews")
    texts = ["A lovely film.", "Dull"]
    lines = [json.dumps({"text": text}) for text in texts]
    where = ("az://reviews/input/a.jsonl", "az://reviews/output/a.jsonl")
    with stand_in() as url:
        container.upload_blob("input/a.jsonl", "\n".join([*lines, "{"]))
        done = score(proxy, tmp_path, *where, "--url", url)
        assert done.returncode == 0, done.stderr
        assert {blob.name for blob in container.list_blobs("output/")} == {
            "output/a.jsonl",
            "output/a.jsonl.rejected.jsonl",
        }
        # Anew, and without a bad row: the former one's rejected rows go.
        container.upload_blob("input/a.jsonl", "\n".join(lines), overwrite=True)
        done = score(proxy, tmp_path, *where, "--url", url, "--overwrite")
        assert done.returncode == 0, done.stderr
        (left,) = container.list_blobs("output/")
        rows = [json.loads(line) for line in container.download_blob(left.name).readall().splitlines()]
        assert [(row["text"], row["label"]) for row in rows] == [(text, label_of(text)) for text in texts]
        granted = [request for request, status in proxy.seen if status < 300 and request.name.startswith("output/")]
        elsewhere = score(proxy, tmp_path, where[0], "az://reviews/input/b.jsonl", "--url", url)
    # Whoever may write may create, so that Azure's action for creating alone goes unused; it is there for its clients.
    (writer,) = (each for each in of(JOB) if each.name == WRITER)
    assert {asked(request).action for request in granted} == set(writer.role.data_actions) - {conditions.ADD}
    assert elsewhere.returncode == 1
    assert "az://reviews/input/b.jsonl: access denied" in elsewhere.stderr
    assert [blob.name for blob in container.list_blobs("input/")] == ["input/a.jsonl"]
