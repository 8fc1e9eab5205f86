"""What the GPU image installs is enough: for the front's backend, and for what its start script asks."""

import importlib.util
import sys
from pathlib import Path

from tests.deploy.compose import ROOT
from tests.deploy.engine import run
from tests.export.repositories import make_repository

BACKEND = ROOT / "serve/tritext_serve/backends/tritext/model.py"


def run_with(folder: Path, packages: tuple[str, ...], program: str) -> str:
    """Run a program with some packages and ours, and give what it prints."""
    for name in packages:
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.submodule_search_locations is not None
        package = Path(next(iter(spec.submodule_search_locations)))
        (folder / name).symlink_to(package)
        if (libraries := package.with_name(f"{name}.libs")).is_dir():
            (folder / libraries.name).symlink_to(libraries)
    (folder / "tritext_serve").symlink_to(ROOT / "serve/tritext_serve")
    # -S leaves every installed package out of reach, -I the environment too.
    program = f"import runpy, sys; sys.path.insert(0, {str(folder)!r}); {program}"
    return run([sys.executable, "-I", "-S", "-B", "-c", program], 60).strip()


def test_the_front_needs_no_other_package(tmp_path: Path) -> None:
    (tmp_path / "triton_python_backend_utils.py").touch()
    program = f"print(runpy.run_path({str(BACKEND)!r})['TritonPythonModel'].__name__)"
    assert run_with(tmp_path, ("numpy", "tokenizers"), program) == "TritonPythonModel"


def test_the_check_before_the_start_needs_no_other_package(tmp_path: Path) -> None:
    """``google`` is protobuf's folder; neither grpcio nor numpy is there."""
    root = make_repository(tmp_path / "models", 1)
    (tmp_path / "packages").mkdir()
    program = (
        "from pathlib import Path; from tritext_serve.triton_image import reasons; "
        f"found = reasons(Path({str(root)!r}), 'gpu'); print(found, 'grpc' in sys.modules, 'numpy' in sys.modules)"
    )
    assert run_with(tmp_path / "packages", ("google", "tritonclient"), program) == "() False False"


def test_the_watcher_needs_no_other_package(tmp_path: Path) -> None:
    """Neither grpcio nor pyyaml nor rich nor numpy is there."""
    program = (
        "import tritext_serve.endpoint.watch.image; "
        "print([name for name in ('grpc', 'yaml', 'rich', 'numpy') if name in sys.modules])"
    )
    assert run_with(tmp_path, ("google", "tritonclient", "psutil", "prometheus_client"), program) == "[]"
