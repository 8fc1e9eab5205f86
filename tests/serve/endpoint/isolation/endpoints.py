"""An endpoint with all that isolation knows: two deployments that may reach some names, one that may reach none."""

from dataclasses import replace
from pathlib import Path

from tritext_serve.endpoint.model import Deployment, Endpoint, Network, OutboundRule

STORAGE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/devacct#blob"
RULES = (
    OutboundRule("a-name", "fqdn", "allowed.example"),
    OutboundRule("names", "fqdn", "*.wild.example"),
    OutboundRule("a-trap", "fqdn", "inside.example"),
    OutboundRule("vaults", "service_tag", "AzureKeyVault"),
    OutboundRule("storage", "private_endpoint", STORAGE, address="10.60.200.4"),
)
APPROVED = Network("allow_only_approved_outbound", RULES)


def deployment(name: str) -> Deployment:
    """One that may reach what the rules allow."""
    return Deployment(name, "demo", Path("models"), "sentiment")


def endpoint(network: Network = APPROVED) -> Endpoint:
    """Blue and green, and grey, which may not leave at all; the public has no access."""
    deployments = {name: deployment(name) for name in ("blue", "green")}
    grey = replace(deployment("grey"), egress="disabled")
    return Endpoint("demo", "disabled", {"blue": 100}, {}, deployments | {"grey": grey}, network)
