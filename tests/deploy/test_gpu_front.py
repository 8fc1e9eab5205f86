"""What the GPU image installs is enough: the front's backend runs on numpy, the tokenizer and our own package."""

import importlib.util
import sys
from pathlib import Path

from tests.deploy.compose import ROOT
from tests.deploy.engine import run

BACKEND = ROOT / "serve/tritext_serve/backends/tritext/model.py"
PACKAGES = ("numpy", "tokenizers")


def test_the_front_needs_no_other_package(tmp_path: Path) -> None:
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        package = Path(spec.origin).parent
        (tmp_path / name).symlink_to(package)
        if (libraries := package.with_name(f"{name}.libs")).is_dir():
            (tmp_path / libraries.name).symlink_to(libraries)
    (tmp_path / "tritext_serve").symlink_to(ROOT / "serve/tritext_serve")
    (tmp_path / "triton_python_backend_utils.py").touch()
    program = (
        f"import runpy, sys; sys.path.insert(0, {str(tmp_path)!r}); "
        f"print(runpy.run_path({str(BACKEND)!r})['TritonPythonModel'].__name__)"
    )
    # -S leaves every installed package out of reach, -I the environment too.
    assert run([sys.executable, "-I", "-S", "-B", "-c", program], 60).strip() == "TritonPythonModel"
