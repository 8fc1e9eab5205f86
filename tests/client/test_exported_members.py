"""What `import tritext` promises: its names, its version, and that it is quick."""

import subprocess
import sys

import tritext
from tritext import _errors, _version


def test_all_is_sorted() -> None:
    assert tritext.__all__ == sorted(tritext.__all__)


def test_all_is_complete() -> None:
    public = {name for name in vars(tritext) if not name.startswith("_")}
    assert set(tritext.__all__) - {"__version__"} == public


def test_every_error_is_exported() -> None:
    errors = {name for name, value in vars(_errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    assert errors <= set(tritext.__all__)


def test_version() -> None:
    assert tritext.__version__ == _version.__version__


def test_import_loads_no_transport() -> None:
    code = "import sys, tritext; print(sorted({'numpy', 'tritonclient', 'grpc', 'httpx', 'rich'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
