"""What `import tritext` promises: its names, its version, and that it is quick."""

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import tritext
from tritext import _errors, _version

ROOT = Path(__file__).parents[2]


def test_all_is_sorted() -> None:
    assert tritext.__all__ == sorted(tritext.__all__)


def test_what_is_imported_late_is_what_type_checkers_see() -> None:
    tree = ast.parse(Path(tritext.__file__).read_text(encoding="utf-8"))
    seen = {name for name in imported(tree) if name.startswith("tritext.")}
    assert {name.rpartition(".")[2] for name in seen} == set(tritext.__all__) == set(dir(tritext))
    for module, _, name in (name.rpartition(".") for name in seen):
        assert getattr(tritext, name) is getattr(importlib.import_module(module), name)
    assert not hasattr(tritext, "Clients")
    public = {name for name in vars(tritext) if not name.startswith("_")}
    assert public == set(tritext.__all__) - {"__version__"} | {"TYPE_CHECKING"}


def test_every_error_is_exported() -> None:
    errors = {name for name, value in vars(_errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    assert errors <= set(tritext.__all__)


def imported(tree: ast.AST) -> Iterator[str]:
    """The full names that a module imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_what_is_private_is_imported_by_the_client_alone() -> None:
    packages = ("export", "serve", "loadtest", "store", "batch", "demo")
    files = [path for package in packages for path in (ROOT / package).rglob("*.py")]
    reached = {
        str(path.relative_to(ROOT)): name
        for path in files
        for name in imported(ast.parse(path.read_text(encoding="utf-8")))
        if name.startswith("tritext._")
    }
    assert len(files) > 200
    assert reached == {}


def test_version() -> None:
    assert tritext.__version__ == _version.__version__


def test_import_loads_no_transport() -> None:
    heavy = {"asyncio", "numpy", "tritonclient", "grpc", "httpx", "rich"}
    code = f"import sys, tritext; print(sorted({heavy} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
