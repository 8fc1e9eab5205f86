"""Whether an endpoint's files ask for walls, and a refusal where there would be none. Pure."""

from tritext_serve.endpoint.model import Endpoint
from tritext_serve.errors import IsolationError


def asked(endpoint: Endpoint) -> list[str]:
    """Name what the files say of isolation, each as ``field: value`` with where it stands."""
    mode = endpoint.network.isolation_mode
    found = [] if mode == "disabled" else [f"managed_network.isolation_mode: {mode} (workspace file)"]
    closed = [name for name, deployment in endpoint.deployments.items() if deployment.egress == "disabled"]
    return [*found, *(f"egress_public_network_access: disabled (deployment {name})" for name in closed)]


def refuse_unwalled(endpoint: Endpoint) -> None:
    """Refuse to serve without walls what asks for them: nothing would keep its deployments from reaching anybody.

    Raises:
        IsolationError: naming each field and the remedy.
    """
    if fields := asked(endpoint):
        raise IsolationError(
            f"{'; '.join(fields)}: without walls every deployment would reach everything: add --isolate to `up`, "
            "serve it in containers, whose files `tritext endpoint render` writes, or take this out of the files"
        )
