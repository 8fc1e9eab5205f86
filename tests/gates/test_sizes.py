"""A file is read in one sitting: 300 lines at most, functions 40. Exceptions are named here, with the reason."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAX_FILE_LINES, MAX_FUNCTION_LINES = 300, 40
FILES = sorted(
    path
    for folder in ("client", "export", "serve", "loadtest", "store", "batch", "demo")
    for path in (ROOT / folder).rglob("*.py")
)
LONG_FILES: dict[str, str] = {}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_and_functions_are_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if str(path.relative_to(ROOT)) not in LONG_FILES:
        assert len(text.splitlines()) <= MAX_FILE_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            assert lines <= MAX_FUNCTION_LINES, f"{node.name} has {lines} lines"


@pytest.mark.parametrize(
    "package",
    [
        "client/tritext", "export/tritext_export", "serve/tritext_serve", "store/tritext_store", "batch/tritext_batch",
    ],
)  # fmt: skip
def test_the_environment_is_read_in_one_file_a_package(package: str) -> None:
    readers = {p.name for p in (ROOT / package).rglob("*.py") if "os.environ" in p.read_text(encoding="utf-8")}
    assert readers <= {"settings.py", "_settings.py"}
