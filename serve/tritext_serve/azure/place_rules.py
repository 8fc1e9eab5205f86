"""The rules for where deployments are: endpoint, workspace, and what ``main.bicep`` takes. Pure."""

import ipaddress
from collections.abc import Mapping
from typing import Any

from tritext_serve.azure.cloud import ACCESSES
from tritext_serve.endpoint.files.endpoint import ACCESS
from tritext_serve.endpoint.files.names import read_name
from tritext_serve.endpoint.files.network import APPROVED, read_network
from tritext_serve.endpoint.files.report import quote
from tritext_serve.endpoint.files.section import Section

_AUTH = ("key", "aml_token", "aad_token")
_BY, _IDENTITY = "system_datastores_auth_mode", "identity"
_RESOURCES = {
    "storage_account": "Microsoft.Storage/storageAccounts",
    "container_registry": "Microsoft.ContainerRegistry/registries",
    "key_vault": "Microsoft.KeyVault/vaults",
}
_PARAMETERS: Mapping[str, type] = {
    **dict.fromkeys(("location", "storageAccount", "storageAccess", "registry", "keyVault", "workspace"), str),
    **dict.fromkeys(("endpointIdentity", "jobIdentity", "addressSpace", "jobsRange", "endpointsRange"), str),
    "containers": list,
    "callers": list,
    "outboundRules": dict,
}
_WORDS: Mapping[type, str] = {str: "text", list: "list", dict: "table"}
_RULES = ("FQDN", "ServiceTag", "PrivateEndpoint")
_AGAIN = "render the file again"


def judge_endpoint(section: Section) -> None:
    """Judge an endpoint's file: it is made closed, and without traffic."""
    read_name(section, "name", "my-endpoint")
    section.choice("auth_mode", _AUTH, "key")
    if "compute" in section:
        named = section.plain("compute")
        what = f"{quote(named)} belongs to a Kubernetes endpoint" if named else "belongs to a Kubernetes endpoint"
        section.refuse("compute", what, "remove it: a managed endpoint has machines of its own")
    _judge_access(section)
    for field in ("traffic", "mirror_traffic"):
        if any(section.values(field).values()):
            remedy = "remove it, and shift it once the deployments are there"
            section.refuse(field, "cannot be set when an endpoint is made", remedy)


def judge_workspace(section: Section, fields: Mapping[str, Any]) -> None:
    """Judge a workspace's file: closed to the public, nothing leaves but by a rule, identities instead of keys."""
    section.text("name", "my-workspace")
    section.text("location", "westeurope")
    network = read_network(section)
    if "isolation_mode" in (fields.get("managed_network") or {}) and network.isolation_mode != APPROVED:
        what = f"is {network.isolation_mode}: deployments could reach anything"
        section.refuse("managed_network", what, f"write `isolation_mode: {APPROVED}`")
    _judge_access(section)
    said = section.choice(_BY, (_IDENTITY, "access_key"), _IDENTITY)
    if _BY not in section or said != _IDENTITY:
        how = f"is {said}" if _BY in section else "is missing, and so it is"
        what = f"{how}: by the account's key, which the account does not take"
        section.refuse(_BY, what, f"write `{_BY}: {_IDENTITY}`")
    for field, kind in _RESOURCES.items():
        example = f"/subscriptions/ID/resourceGroups/GROUP/providers/{kind}/NAME"
        identity = section.text(field, example)
        if identity is not None and not identity.startswith("/subscriptions/"):
            section.refuse(field, f"{quote(identity)} is no resource's id", f"write {example}")


def _judge_access(section: Section) -> None:
    """Whatever is made is closed to the public; Azure's default is not."""
    field = "public_network_access"
    said = section.choice(field, ACCESS, "disabled")
    if field not in section or said == "enabled":
        what = "is enabled: anybody could call" if said == "enabled" else "is missing, and Azure opens it to the public"
        section.refuse(field, what, f"write `{field}: disabled`")


def judge_parameters(section: Section, fields: Mapping[str, Any]) -> None:
    """Judge the parameters of ``main.bicep``."""
    table = section.section("parameters")
    if table is None:
        if "parameters" not in section:
            section.refuse("parameters", "is missing", _AGAIN)
        return
    values = {name: _value(table, fields["parameters"].get(name), name) for name in _PARAMETERS}
    table.ignore(dict.fromkeys(_PARAMETERS, ""))
    table.close()
    access = values["storageAccess"]
    if access not in (None, *ACCESSES):
        table.refuse("storageAccess", f"{quote(access)} is not known", f"write one of {', '.join(ACCESSES)}")
    for name, rule in (values["outboundRules"] or {}).items():
        if not isinstance(rule, dict) or rule.get("type") not in _RULES:
            table.refuse("outboundRules", f"{name!r} is no rule that Azure knows", f"types are {', '.join(_RULES)}")
    _judge_ranges(table, values)


def _value(table: Section, wrapped: object, name: str) -> Any:
    """Take a parameter's value; None where it is missing or of another kind."""
    kind = _PARAMETERS[name]
    if wrapped is None:
        table.refuse(name, "is missing", _AGAIN)
        return None
    value = wrapped.get("value") if isinstance(wrapped, dict) else None
    if isinstance(value, kind):
        return value
    table.refuse(name, f"is {quote(value)}, no {_WORDS[kind]}", _AGAIN)
    return None


def _judge_ranges(table: Section, values: Mapping[str, Any]) -> None:
    """The two subnets lie in the network, apart, and nobody from everywhere may call."""
    ranges: dict[str, ipaddress.IPv4Network] = {}
    for name in ("addressSpace", "jobsRange", "endpointsRange"):
        if values[name] is not None and (network := _range(table, name, values[name])) is not None:
            ranges[name] = network
    space = ranges.pop("addressSpace", None)
    for name, network in ranges.items():
        if space is not None and not network.subnet_of(space):
            table.refuse(name, f"{network} is not within {space}", "choose a part of the network")
    if len(ranges) == 2 and ranges["jobsRange"].overlaps(ranges["endpointsRange"]):
        what = f"{ranges['endpointsRange']} overlaps the jobs' {ranges['jobsRange']}"
        table.refuse("endpointsRange", what, "choose another part of the network")
    for caller in values["callers"] or ():
        network = _range(table, "callers", caller)
        if network is not None and not network.is_private:
            table.refuse("callers", f"{caller} is not private", "name peered networks, such as 10.70.0.0/24")


def _range(table: Section, name: str, text: object) -> ipaddress.IPv4Network | None:
    try:
        return ipaddress.IPv4Network(str(text))
    except ValueError:
        table.refuse(name, f"{quote(text)} is no range of addresses", "write such as 10.60.0.0/26")
        return None
