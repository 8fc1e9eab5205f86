"""The pods' probe, run as the kubelet runs it, on a real Triton."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.k8s.kustomized import TREE
from tritext_serve.server import Server

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
CANARY = TREE / "base/triton/canary.py"


def probe(question: str, url: str, models: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the script with the server's port in place of the pod's."""
    script = folder / "canary.py"
    script.write_text(CANARY.read_text(encoding="utf-8").replace("http://127.0.0.1:8000", url), encoding="utf-8")
    environment = dict(os.environ, TRITEXT_MODELS=str(models), TRITEXT_MODEL="sentiment")
    command = [sys.executable, "-P", str(script), question]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_a_serving_triton_is_well_by_every_probe(server: Server, model_repository: Path, tmp_path: Path) -> None:
    assert "http://127.0.0.1:8000" in CANARY.read_text(encoding="utf-8")
    for question in ("started", "ready", "alive"):
        done = probe(question, server.http_url, model_repository, tmp_path)
        assert (done.returncode, done.stderr) == (0, "")


def test_another_label_and_silence_are_ill(server: Server, model_repository: Path, tmp_path: Path) -> None:
    newest = max((model_repository / "sentiment").glob("[0-9]*"), key=lambda each: int(each.name))
    other = tmp_path / "models/sentiment" / newest.name
    other.mkdir(parents=True)
    content = json.loads((newest / "manifest.json").read_text(encoding="utf-8"))
    content["canary"]["label_id"] = 1 - content["canary"]["label_id"]
    (other / "manifest.json").write_text(json.dumps(content), encoding="utf-8")
    done = probe("ready", server.http_url, tmp_path / "models", tmp_path)
    assert done.returncode == 1
    assert "ill: " in done.stderr
    assert "at export it was" in done.stderr
    gone = probe("alive", "http://127.0.0.1:9", model_repository, tmp_path)
    assert (gone.returncode, "ill: " in gone.stderr) == (1, True)
    empty = probe("started", server.http_url, tmp_path, tmp_path)
    assert (empty.returncode, "Traceback" in empty.stderr) == (1, False)
