"""What somebody with several role assignments may do: the sum of them, each cut by its condition. Pure."""

from collections.abc import Iterable

from tests.deploy.iam.conditions import Request, evaluate
from tritext_serve.azure.roles import Assignment


def allowed(assignments: Iterable[Assignment], container: str, request: Request) -> bool:
    """Say whether any assignment allows it.

    Args:
        assignments: Those of one identity.
        container: Where the request goes: an assignment on another container has no say.
        request: What is asked for.
    """
    return any(
        request.action in each.role.data_actions and evaluate(each.condition, request)
        for each in assignments
        if each.scope == "account" or (each.scope == "container" and each.target == container)
    )
