"""Bicep and ARM as checkov sees them: every finding has its reason, and a planted one is found."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.azure.bicep import arm, build
from tests.deploy.azure.files import ACCESSES, AZURE, RENDERED, built, changed, parameters

Scan = Callable[[Path], list[dict[str, Any]]]
PLANTED = "planted"


@pytest.fixture(scope="module")
def findings(checkov: Scan, tmp_path_factory: pytest.TempPathFactory) -> set[tuple[str, str, str]]:
    """One look at all: the Bicep files, ARM of both ways to the storage account, and one template with a mistake."""
    folder = tmp_path_factory.mktemp("checkov")
    shutil.copytree(AZURE, folder / "bicep", ignore=shutil.ignore_patterns("*.yml", "*.sh", "*.json", "*.env"))
    for access in ACCESSES:
        (folder / f"{access}.json").write_text(json.dumps(arm(built(access)), indent=1), encoding="utf-8")
    (folder / "roles.json").write_text(json.dumps(arm(build(RENDERED / "roles.bicep")), indent=1), encoding="utf-8")
    wrong = changed(folder.parent / "wrong", ("modules/storage.bicep", "'TLS1_2'", "'TLS1_0'"))
    text = json.dumps(arm(build(wrong / "main.bicep", parameters())), indent=1)
    (folder / f"{PLANTED}.json").write_text(text, encoding="utf-8")
    return {(each["framework"], Path(each["file_path"]).stem, _said(each)) for each in checkov(folder)}


def _said(finding: dict[str, Any]) -> str:
    return f"{finding['check_id']} {'.'.join(finding['resource'].split('.')[:2])}"


def explained(where: str) -> set[str]:
    """The findings that stay in one place."""
    listed = yaml.safe_load((AZURE / "findings.yml").read_text(encoding="utf-8"))
    assert all(len(each["reason"]) > 80 for each in listed)
    return {f"{each['check']} {each['resource']}" for each in listed if each.get("only", where) == where}


@pytest.mark.parametrize("where", ["bicep", *ACCESSES, "roles"])
def test_no_finding_is_left_unexplained_and_no_reason_without_finding(
    findings: set[tuple[str, str, str]], where: str
) -> None:
    found = {said for framework, file, said in findings if where in (framework, file)}
    assert found == (set() if where == "roles" else explained(where))


def test_a_planted_mistake_is_found(findings: set[tuple[str, str, str]]) -> None:
    planted = {said for kind, file, said in findings if file == PLANTED}
    assert planted - explained("private_endpoint") == {"CKV_AZURE_44 Microsoft.Storage/storageAccounts"}
