"""Tools with environments of their own, made once and kept in .cache: they want other versions than the tests do."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.azure.files import RENDERED, ROOT, SOURCES, WRONG

CHECKOV, CLIENT = "checkov==3.3.30", "azure-ai-ml==1.35.2"
# The kinds of files that the client knows.
LOADED = ("endpoint", "deployment", "workspace")
LOADER = Path(__file__).with_name("load_with_client.py")
# Nothing is sent anywhere: what tries finds nobody listening.
NOWHERE = {"HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": ""}
Verdicts = dict[str, dict[str, Any]]


def environment(requirement: str) -> Path:
    """Make an environment for one tool, or find it made.

    Returns:
        Its ``bin`` folder; the test is skipped where the tool cannot be installed.
    """
    folder = ROOT / ".cache/azure" / f"{requirement}-py{sys.version_info.minor}"
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if folder.is_dir():
        return folder / "bin"
    if uv is None:
        pytest.skip("MISSING: no uv: install it, or the extra tritext[loadtest]")
    partial = folder.with_name(f"{folder.name}.{os.getpid()}.partial")
    try:
        for command in (
            [uv, "venv", "--quiet", "--relocatable", "--python", sys.executable, str(partial)],
            [uv, "pip", "install", "--quiet", "--python", str(partial / "bin/python"), requirement],
        ):
            done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
            if done.returncode != 0:
                pytest.skip(f"MISSING: {requirement} cannot be installed: {done.stderr[-300:]}")
        if not folder.is_dir():  # another run may have been quicker
            partial.replace(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder / "bin"


@pytest.fixture(scope="session")
def checkov() -> Callable[[Path], list[dict[str, Any]]]:
    """Look through the Bicep and ARM files of a folder: what checkov says of each check that fails."""
    program = environment(CHECKOV) / "checkov"

    def scan(folder: Path) -> list[dict[str, Any]]:
        words = ["--directory", str(folder), "--framework", "arm", "bicep", "--skip-download", "--output", "json"]
        done = subprocess.run(
            [str(program), *words],
            env={**os.environ, **NOWHERE},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        reports = json.loads(done.stdout)
        reports = reports if isinstance(reports, list) else [reports]
        assert not any(each["summary"]["parsing_errors"] for each in reports), done.stdout[-3000:]
        assert {each["check_type"] for each in reports} == {"arm", "bicep"}
        return [
            {**failed, "framework": each["check_type"]}
            for each in reports
            for failed in each["results"]["failed_checks"]
        ]

    return scan


@pytest.fixture(scope="session")
def verdicts() -> Verdicts:
    """Load every file with Azure's own client: its verdict and the body it would send, by folder and name."""
    python = environment(CLIENT) / "python"
    paths = [
        *SOURCES,
        *sorted(RENDERED.glob("*.yml")),
        *(path for kind in LOADED for path in sorted(WRONG.glob(f"{kind}-*.yml"))),
    ]
    done = subprocess.run(
        [str(python), str(LOADER), *map(str, paths)],
        env={**os.environ, **NOWHERE}, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return {"/".join(Path(each["file"]).parts[-2:]): each for each in found}
