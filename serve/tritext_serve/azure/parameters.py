"""What ``main.bicep`` takes: the workspace's file and the cloud's in, ARM's parameters out. Pure."""

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

from tritext_serve.azure.cloud import Cloud

SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentParameters.json#"
# Of what the network has, the jobs' subnet and that of the private endpoints take a /26 each.
SUBNET = 26
_KINDS = {"fqdn": "FQDN", "service_tag": "ServiceTag", "private_endpoint": "PrivateEndpoint"}


def parameters(cloud: Cloud, workspace: Mapping[str, Any]) -> dict[str, Any]:
    """Write the parameters' file.

    Args:
        cloud: What only the cloud needs.
        workspace: The workspace's file.
    """
    jobs, endpoints = ranges(cloud.address_space)
    values = {
        "location": workspace["location"],
        "storageAccount": cloud.storage_account,
        "storageAccess": cloud.storage_access,
        "containers": sorted({cloud.input.container, cloud.output.container}),
        "registry": cloud.registry,
        "keyVault": cloud.key_vault,
        "workspace": workspace["name"],
        "outboundRules": outbound_rules(workspace["managed_network"].get("outbound_rules", [])),
        "endpointIdentity": cloud.endpoint_identity,
        "jobIdentity": cloud.job_identity,
        "addressSpace": cloud.address_space,
        "jobsRange": jobs,
        "endpointsRange": endpoints,
        "callers": list(cloud.callers),
    }
    wrapped = {name: {"value": value} for name, value in values.items()}
    return {"$schema": SCHEMA, "contentVersion": "1.0.0.0", "parameters": wrapped}


def ranges(address_space: str) -> tuple[str, str]:
    """Cut the jobs' and the private endpoints' subnets from a network."""
    subnets = ipaddress.IPv4Network(address_space).subnets(new_prefix=SUBNET)
    return str(next(subnets)), str(next(subnets))


def outbound_rules(rules: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Write a workspace's rules as Azure's interface has them: by name, with capitals."""
    return {
        rule["name"]: {
            "type": _KINDS[rule["type"]],
            "category": "UserDefined",
            "destination": _destination(rule["destination"]),
        }
        for rule in rules
    }


def _destination(destination: str | Mapping[str, Any]) -> str | dict[str, Any]:
    if isinstance(destination, str):
        return destination
    return {_camel(name): value for name, value in destination.items()}


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)
