"""What somebody with several role assignments may do: the sum of them, each cut by its condition. Pure."""

import fnmatch
from collections.abc import Iterable

from tests.deploy.iam.conditions import BLOBS, Request, evaluate
from tritext_serve.azure.roles import Assignment, Role

CONTAINERS = BLOBS.rpartition("/")[0]
SERVICE, ACCOUNT = CONTAINERS.rpartition("/")[0], CONTAINERS.split("/blobServices")[0]
# Azure's own role for writing, as its table of roles has it.
CONTRIBUTOR = Role(
    "Storage Blob Data Contributor",
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    tuple(f"{BLOBS}/{verb}" for verb in ("read", "write", "add/action", "delete", "move/action")),
    (*(f"{CONTAINERS}/{verb}" for verb in ("read", "write", "delete")), f"{SERVICE}/generateUserDelegationKey/action"),
)


def allowed(assignments: Iterable[Assignment], container: str, request: Request) -> bool:
    """Say whether any assignment allows it.

    Args:
        assignments: Those of one identity.
        container: Where the request goes: an assignment on another container has no say.
        request: What is asked for, of blobs or of what holds them.
    """
    return any(
        _has(each.role, request.action) and evaluate(each.condition, request)
        for each in assignments
        if each.scope == "account" or (each.scope == "container" and each.target == container)
    )


def _has(role: Role, action: str) -> bool:
    """Azure's actions have no case, and a star stands for any of them."""
    return any(fnmatch.fnmatchcase(action.lower(), each.lower()) for each in (*role.actions, *role.data_actions))
