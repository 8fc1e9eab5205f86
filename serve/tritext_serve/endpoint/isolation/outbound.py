"""What a deployment may reach: Azure's three kinds of outbound rules in, names and private addresses out. Pure.

A service tag is a list of address ranges that Microsoft keeps up to date, which a machine of one's own does not have.
Here each tag that is known stands for the host names that its service documents, and the egress goes by those: close,
but not the same. ``Storage`` and ``Storage.westeurope`` are one, since names do not tell the region.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from tritext_serve.endpoint.egress import Allowed
from tritext_serve.endpoint.model import Deployment, Network, OutboundRule
from tritext_serve.errors import IsolationError

SERVICE_TAGS = {
    "AzureActiveDirectory": ("login.microsoftonline.com", "*.login.microsoft.com", "login.windows.net"),
    "AzureContainerRegistry": ("*.azurecr.io", "*.data.azurecr.io"),
    "AzureFrontDoor.FirstParty": ("mcr.microsoft.com", "*.data.mcr.microsoft.com"),
    "AzureKeyVault": ("*.vault.azure.net",),
    "AzureMachineLearning": ("*.api.azureml.ms", "*.inference.ml.azure.com", "ml.azure.com"),
    "AzureMonitor": ("*.monitor.azure.com", "*.in.applicationinsights.azure.com"),
    "AzureResourceManager": ("management.azure.com",),
    "DataFactory": ("*.datafactory.azure.net", "*.frontend.clouddatahub.net"),
    "MicrosoftContainerRegistry": ("mcr.microsoft.com", "*.data.mcr.microsoft.com"),
    "Storage": ("*.blob.core.windows.net", "*.dfs.core.windows.net", "*.file.core.windows.net"),
}
# Where a private endpoint's name lies: by the resource's type, and by its part where it has several.
PRIVATE_ZONES = {
    "microsoft.storage/storageaccounts": "{part}.core.windows.net",
    "microsoft.keyvault/vaults": "vault.azure.net",
    "microsoft.containerregistry/registries": "azurecr.io",
    "microsoft.machinelearningservices/workspaces": "api.azureml.ms",
    "microsoft.cognitiveservices/accounts": "cognitiveservices.azure.com",
}
USUAL_PART = "blob"
PLAIN_HTTP = 80


@dataclass(frozen=True, slots=True)
class PrivateEndpoint:
    """A service with an address of its own in the deployment's network.

    Attributes:
        host: The name under which the deployment knows it.
        address: Its private address; None where the plan chooses one.
        ports: TCP ports.
    """

    host: str
    address: str | None
    ports: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Outbound:
    """What one deployment may reach.

    Attributes:
        everything: Whether it may reach the whole internet.
        names: What the egress lets through, where it may not.
        private: Private endpoints, in either case.
    """

    everything: bool = False
    names: tuple[Allowed, ...] = ()
    private: tuple[PrivateEndpoint, ...] = ()


def outbound(network: Network, deployment: Deployment) -> Outbound:
    """Work out what a deployment may reach.

    Raises:
        IsolationError: a rule means nothing here.
    """
    if deployment.egress == "disabled":
        return Outbound()
    private = tuple(_private(rule) for rule in network.outbound_rules if rule.kind == "private_endpoint")
    if network.isolation_mode != "allow_only_approved_outbound":
        return Outbound(everything=True, private=private)
    return Outbound(names=tuple(_names(network.outbound_rules)), private=private)


def _names(rules: Iterable[OutboundRule]) -> Iterable[Allowed]:
    for rule in rules:
        if rule.kind == "private_endpoint":
            continue
        if PLAIN_HTTP in rule.ports:
            raise IsolationError(
                f"outbound rule {rule.name}: port 80: the egress reads names from TLS handshakes alone: use 443"
            )
        hosts = (rule.destination,) if rule.kind == "fqdn" else _service(rule)
        yield from (Allowed(host, rule.ports) for host in hosts)


def _service(rule: OutboundRule) -> tuple[str, ...]:
    known = SERVICE_TAGS.get(rule.destination) or SERVICE_TAGS.get(rule.destination.partition(".")[0])
    if known is None:
        raise IsolationError(
            f"outbound rule {rule.name}: service tag {rule.destination!r} has no stand-in here; there are "
            f"{', '.join(SERVICE_TAGS)}: name the hosts in rules of type fqdn"
        )
    return known


def _private(rule: OutboundRule) -> PrivateEndpoint:
    """Read the name from the resource's id, or take the destination as the name."""
    identity, _, part = rule.destination.partition("#")
    if "/" not in identity:
        return PrivateEndpoint(identity, rule.address, rule.ports)
    words = identity.strip("/").split("/")
    kind, name = "/".join(words[-3:-1]).lower(), words[-1].lower()
    zone = PRIVATE_ZONES.get(kind)
    if zone is None or len(words) < 3:
        raise IsolationError(
            f"outbound rule {rule.name}: {rule.destination!r}: no private name is known for it: give the host name "
            f"itself, or a resource of {', '.join(PRIVATE_ZONES)}"
        )
    return PrivateEndpoint(f"{name}.{zone.format(part=part or USUAL_PART)}", rule.address, rule.ports)
