"""``roles.sh``, run for real with a stand-in for ``az`` that keeps what it is told."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.iam.test_roles import CLOUD, roles
from tritext_serve.azure.cloud import Cloud, Place
from tritext_serve.azure.grants import commands
from tritext_serve.azure.roles import assignments

FAKE = Path(__file__).with_name("fake_az.py")
CHANGING = ("create", "update", "delete")


class Account:
    """What the stand-in keeps, and runs of the commands against it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.file = folder, folder / "state.json"
        (folder / "az").write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {FAKE} "$@"\n', encoding="utf-8")
        (folder / "az").chmod(0o755)

    def run(self, cloud: Cloud = CLOUD, fails: str = "nothing") -> int:
        """Run the commands of a cloud's file: the exit status."""
        (self.folder / "roles.sh").write_text(commands(cloud, assignments(cloud)), encoding="utf-8")
        told = {"PATH": f"{self.folder}:{os.environ['PATH']}", "AZURE_STATE": str(self.file), "AZURE_FAILS": fails}
        words = ["bash", str(self.folder / "roles.sh")]
        return subprocess.run(words, env=told, capture_output=True, timeout=60, check=False).returncode

    def kept(self) -> Any:
        """All that the stand-in keeps."""
        return json.loads(self.file.read_text(encoding="utf-8"))

    def changes(self) -> list[str]:
        """The calls that change something."""
        return [call for call in self.kept()["calls"] if call.endswith(CHANGING)]


@pytest.fixture
def account(tmp_path: Path) -> Account:
    return Account(tmp_path)


def test_the_commands_make_the_same_roles_and_assignments(account: Account) -> None:
    assert account.run() == 0
    kept = account.kept()
    ids = {each["Name"]: each["id"] for each in kept["roles"]}
    assert set(ids) == set(roles())
    for each in kept["roles"]:
        assert tuple(each["DataActions"]) == roles()[each["Name"]].data_actions
        assert each["Actions"] == each["NotActions"] == each["NotDataActions"] == []
        assert each["AssignableScopes"] == [f"/subscriptions/{CLOUD.subscription}/resourceGroups/films"]
    for said, each in zip(kept["assignments"], assignments(CLOUD), strict=True):
        assert said["--role"] == (each.role.identity or ids[each.role.name])
        assert said["--assignee-object-id"] == f"of {each.principal}"
        assert said["--scope"].endswith(f"/{each.target}")
        assert said.get("--condition", "") == each.condition
        assert ("--condition-version" in said) == bool(each.condition)


def test_a_second_run_changes_no_assignment_and_makes_no_second_role(account: Account) -> None:
    assert account.run() == 0
    before = account.kept()
    assert account.run() == 0
    after = account.kept()
    assert (after["roles"], after["assignments"]) == (before["roles"], before["assignments"])
    assert account.changes()[-2:] == ["role definition update"] * 2


def test_a_changed_prefix_takes_the_place_of_the_former_one(account: Account) -> None:
    """Azure would say that the assignment exists, and the former prefix would stay open."""
    assert account.run() == 0
    moved = replace(CLOUD, output=Place("reviews", "labels/"))
    assert account.run(moved) == 0
    conditions = [each.get("--condition", "") for each in account.kept()["assignments"]]
    assert sorted(conditions) == sorted(each.condition for each in assignments(moved))
    assert account.changes()[-4:] == [
        "role definition update",
        "role definition update",
        "role assignment delete",
        "role assignment create",
    ]


@pytest.mark.parametrize("refused", ["definition list", "definition create", "identity show", "assignment list"])
def test_what_is_refused_ends_the_run_and_nothing_follows(account: Account, refused: str) -> None:
    assert account.run(fails=refused) != 0
    assert refused in account.kept()["calls"][-1]
    assert account.kept()["assignments"] == []
    assert account.run() == 0
    assert len(account.kept()["assignments"]) == len(assignments(CLOUD))
