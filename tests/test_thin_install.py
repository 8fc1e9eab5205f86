"""The base install is the client: in an empty environment it imports without torch, and its command works."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tritext
from tests.conftest import ROOT
from tritext_serve.server import Server

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(600)]
MINORS = (11, 12)
HEAVY = ("torch", "transformers", "onnx", "onnxruntime", "optimum", "peft", "datasets", "pandas", "scipy", "locust")
ABSENT = "\n".join(f"assert importlib.util.find_spec({name!r}) is None, {name!r}" for name in HEAVY)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project as a wheel, built from a copy so that nothing is left in the tree."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT))
    return next(folder.glob("tritext-*.whl"))


@pytest.fixture(scope="module", params=MINORS, ids=lambda minor: f"3.{minor}")
def python(request: pytest.FixtureRequest, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python whose environment holds the base install and nothing else."""
    folder = tmp_path_factory.mktemp("thin") / "venv"
    own = sys.version_info.minor == request.param
    run(sys.executable if own else interpreter(request.param), "-m", "venv", "--without-pip", str(folder))
    inside = folder / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", str(inside), "install", "--quiet", "--no-compile")
    run(*pip, "--constraint", str(ROOT / "constraints.txt"), str(wheel))
    return inside


def interpreter(minor: int) -> str:
    """Find another Python that starts; a version manager's shim may stand for one that is switched off."""
    name = f"python3.{minor}"
    managed = sorted(Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/{name}"))
    for candidate in filter(None, (*map(str, managed), shutil.which(name))):
        if subprocess.run([candidate, "--version"], check=False, capture_output=True, timeout=30).returncode == 0:
            return candidate
    pytest.skip(f"MISSING: {name}, so the base install was not tried with it")


def run(*command: str, **more: str) -> str:
    """Run a command outside the checkout, whose folders would be importable, and give what it printed."""
    result = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300, cwd="/", **more)  # type: ignore[call-overload]
    assert result.returncode == 0, result.stderr
    return str(result.stdout)


def test_it_imports_without_anything_heavy(python: Path) -> None:
    code = f"import importlib.util, tritext\n{ABSENT}\nprint(tritext.__version__)"
    assert run(str(python), "-I", "-c", code).strip() == tritext.__version__


def test_numpy_is_its_only_heavy_wheel(python: Path) -> None:
    code = (
        "import importlib.metadata as m, json; print(json.dumps({d.metadata['Name'].lower(): "
        "sum(f.size or 0 for f in d.files or ()) for d in m.distributions()}))"
    )
    sizes = json.loads(run(str(python), "-I", "-c", code))
    heavy = {name for name, size in sizes.items() if size > 30e6}
    assert heavy == {"numpy"}


def test_classify_works_from_it(python: Path, server: Server) -> None:
    tritext = str(python.with_name("tritext"))
    for url in (server.grpc_url, server.http_url):
        command = (tritext, "classify", "--url", url, "--model", "sentiment", "--format", "json", "I love it")
        answer = json.loads(run(*command))
        assert (answer["label"], answer["text"]) == ("positive", "I love it")


@pytest.mark.parametrize(("verb", "extra"), [("export", "export"), ("serve", "serve"), ("bench", "loadtest")])
def test_a_verb_of_a_missing_extra_says_what_to_install(python: Path, verb: str, extra: str) -> None:
    words = {"export": ("x", "--name", "x", "--texts", "x"), "serve": (), "bench": ("--texts", "x")}[verb]
    command = [str(python.with_name("tritext")), verb, *words]
    result = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, cwd="/")
    assert result.returncode == 1
    assert f"tritext[{extra}]" in result.stderr
    assert "Traceback" not in result.stderr
