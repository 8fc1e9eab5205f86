#!/usr/bin/env python3
"""Stands for ``az`` in ``roles.sh``: keeps roles and assignments in a file, and notes every call.

As the real one, it makes no second role of a name, and leaves an assignment that is there as it is.
"""

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

FILE = Path(os.environ["AZURE_STATE"])
State = dict[str, list[Any]]


def options(words: list[str]) -> dict[str, str]:
    """Read ``--name value`` pairs."""
    return dict(zip(words[::2], words[1::2], strict=True))


def define(state: State, verb: str, said: dict[str, str]) -> str:
    """Make a role, or change one."""
    wanted = json.loads(said["--role-definition"])
    found = [each for each in state["roles"] if each["Name"] == wanted["Name"]]
    if bool(found) is (verb == "create"):
        raise SystemExit(f"{verb}: there are {len(found)} roles of the name")
    identity = found[0]["id"] if found else f"role-{len(state['roles'])}"
    state["roles"] = [each for each in state["roles"] if each not in found] + [{**wanted, "id": identity}]
    return identity


def listed(state: State, said: dict[str, str]) -> str:
    """Find an assignment by what the query says."""
    principal, role, scope = re.findall(r"'([^']*)'", said["--query"])
    for number, each in enumerate(state["assignments"]):
        if [each["--assignee-object-id"], each["--role"], each["--scope"]] == [principal, role, scope]:
            return str(each.get("--condition", "")) if "condition" in said["--query"] else f"assignment-{number}"
    return ""


def answer(state: State, words: list[str]) -> str:
    """Do what is asked."""
    if words[0] == "identity":
        return f"of {options(words[2:])['--ids'].rpartition('/')[2]}"
    kind, verb, said = words[:2], words[2], options(words[3:])
    if kind == ["role", "definition"]:
        if verb == "list":
            return "".join(each["id"] for each in state["roles"] if each["Name"] == said["--name"])
        return define(state, verb, said)
    if verb == "list":
        return listed(state, said)
    if verb == "delete":
        del state["assignments"][int(said["--ids"].rpartition("-")[2])]
    else:
        state["assignments"].append(said)
    return ""


def main(words: list[str]) -> None:
    """Answer one call; ``AZURE_FAILS`` names those that are refused."""
    state = json.loads(FILE.read_text()) if FILE.exists() else {"roles": [], "assignments": [], "calls": []}
    state["calls"].append(" ".join(words[:3]))
    fails = os.environ.get("AZURE_FAILS", "nothing")
    said = "" if fails in state["calls"][-1] else answer(state, words)
    FILE.write_text(json.dumps(state))
    if fails in state["calls"][-1]:
        raise SystemExit("az: you have no right to do this")
    sys.stdout.write(f"{said}\n" if said else "")


if __name__ == "__main__":
    main(sys.argv[1:])
