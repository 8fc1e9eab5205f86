"""Who reaches the storage account: the resources of ``main.bicep`` and a place in, yes or no with the reason out. Pure.

::

    a place ─ name server: a private zone linked here? ─┬─ private address ─ filter out, filter in ────────────► account
                                                        └─ public address ── filter out, way out, account's wall ──┘

It knows the rules of Azure's own articles on network security groups, private endpoints and service endpoints, as far
as these files use them. Filters hold Azure's own last rules too, so that taking one of ours away opens what it closed.
"""

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.deploy.azure.bicep import Built, Resource

INTERNET, MANAGED = "internet", "deployments"
_ACCOUNT, _ZONE = "Microsoft.Storage/storageAccounts", "Microsoft.Network/privateDnsZones"
FOREIGN = f"/subscriptions/ffffffff-0000-0000-0000-000000000000/resourceGroups/x/providers/{_ACCOUNT}/theirs"
_ENDPOINT, _NETWORK = "Microsoft.Network/privateEndpoints", "Microsoft.Network/virtualNetworks"
_BLOB_ZONE = "privatelink.blob.core.windows.net"
_HTTPS = 443


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether a place reaches the account.

    Attributes:
        reached: Yes or no.
        why: What decided it.
    """

    reached: bool
    why: str


def account_of(built: Built) -> str:
    """The id of the account that the files make."""
    return built.of(_ACCOUNT)[0].identity


def reach(built: Built, place: str, account: str) -> Answer:
    """Say whether a place reaches an account.

    Args:
        built: What the files make.
        place: ``INTERNET``, ``MANAGED`` or the name of one of the network's subnets.
        account: The id of an account: the one of the files, or somebody else's, which lets everybody in.
    """
    if place == MANAGED:
        return _from_managed(built, account)
    if place == INTERNET:
        return _wall(built, account, "")
    subnet = _subnet(built, place)
    endpoint = _private_endpoint(built, account)
    if endpoint is None or not _resolves_privately(built, endpoint):
        return _in_public(built, subnet, account)
    target = _subnet(built, endpoint.body["properties"]["subnet"]["id"].rpartition("/")[2])
    start, end = (_first(each) for each in (subnet, target))
    if (rule := _filter(built, subnet, "Outbound", start, str(end)))["access"] == "Deny":
        return Answer(False, f"filter out: {rule['name']}")
    filtered = target["properties"].get("privateEndpointNetworkPolicies") in ("NetworkSecurityGroupEnabled", "Enabled")
    if filtered and (rule := _filter(built, target, "Inbound", start, str(end)))["access"] == "Deny":
        return Answer(False, f"filter in: {rule['name']}")
    return Answer(True, "private address")


def _subnet(built: Built, name: str) -> dict[str, Any]:
    (network,) = built.of(_NETWORK)
    (found,) = (each for each in network.body["properties"]["subnets"] if each["name"] == name)
    return dict(found)


def _first(subnet: Mapping[str, Any]) -> ipaddress.IPv4Address:
    """An address of the subnet; Azure keeps its first four."""
    return ipaddress.IPv4Network(subnet["properties"]["addressPrefix"])[4]


def _private_endpoint(built: Built, account: str) -> Resource | None:
    for endpoint in built.of(_ENDPOINT):
        for connection in endpoint.body["properties"]["privateLinkServiceConnections"]:
            said = connection["properties"]
            if said["privateLinkServiceId"] == account and "blob" in said["groupIds"]:
                return endpoint
    return None


def _resolves_privately(built: Built, endpoint: Resource) -> bool:
    """Whether the account's name leads to its private address: the zone, its link, and the endpoint's name in it."""
    zones = {each.identity for each in built.of(_ZONE) if each.name == _BLOB_ZONE}
    (network,) = built.of(_NETWORK)
    links = built.of(f"{_ZONE}/virtualNetworkLinks")
    linked = {
        each.identity.rpartition("/virtualNetworkLinks/")[0]
        for each in links
        if each.body["properties"]["virtualNetwork"]["id"] == network.identity
    }
    named = {
        config["properties"]["privateDnsZoneId"]
        for group in built.of(f"{_ENDPOINT}/privateDnsZoneGroups")
        if group.identity.startswith(f"{endpoint.identity}/")
        for config in group.body["properties"]["privateDnsZoneConfigs"]
    }
    return bool(zones & linked & named)


def _in_public(built: Built, subnet: dict[str, Any], account: str) -> Answer:
    """By the public address: there must be a rule, a way, and somebody who opens."""
    properties = subnet["properties"]
    region = built.of(_ACCOUNT)[0].body["location"]
    if (rule := _filter(built, subnet, "Outbound", _first(subnet), f"Storage.{region}"))["access"] == "Deny":
        return Answer(False, f"filter out: {rule['name']}")
    if not any(each["service"] == "Microsoft.Storage" for each in properties.get("serviceEndpoints", ())):
        if properties.get("defaultOutboundAccess") is False:
            return Answer(False, "no way out of the network")
        return _wall(built, account, "")
    policies = {each["id"] for each in properties.get("serviceEndpointPolicies", ())}
    if policies and account not in _resources_of(built, policies):
        return Answer(False, "the service endpoint's policy")
    (network,) = built.of(_NETWORK)
    return _wall(built, account, f"{network.identity}/subnets/{subnet['name']}")


def _resources_of(built: Built, policies: set[str]) -> Iterator[str]:
    for policy in built.of("Microsoft.Network/serviceEndpointPolicies"):
        if policy.identity in policies:
            for definition in policy.body["properties"]["serviceEndpointPolicyDefinitions"]:
                yield from definition["properties"]["serviceResources"]


def _wall(built: Built, account: str, subnet: str) -> Answer:
    """The account's own: who may come by the public address."""
    if account == FOREIGN:
        return Answer(True, "another's account opens to everybody")
    properties = built.of(_ACCOUNT)[0].body["properties"]
    rules = properties["networkAcls"]
    if properties["publicNetworkAccess"] == "Disabled":
        return Answer(False, "the account has no public address")
    if rules["defaultAction"] == "Allow":
        return Answer(True, "the account opens to everybody")
    if any(each["id"] == subnet and each["action"] == "Allow" for each in rules["virtualNetworkRules"]):
        return Answer(True, "the account opens to this subnet")
    return Answer(False, "the account's wall")


def _from_managed(built: Built, account: str) -> Answer:
    """Deployments reach what their workspace's rules name, by a private endpoint that Azure makes in their network."""
    (workspace,) = built.of("Microsoft.MachineLearningServices/workspaces")
    managed = workspace.body["properties"]["managedNetwork"]
    if managed["isolationMode"] != "AllowOnlyApprovedOutbound":
        return Answer(True, "everything may leave")
    for rule in managed["outboundRules"].values():
        target = rule["destination"]
        if rule["type"] == "PrivateEndpoint" and target["serviceResourceId"] == account:
            return Answer(True, "private endpoint of the workspace")
        if rule["type"] == "ServiceTag" and target["serviceTag"].partition(".")[0] == "Storage":
            return _wall(built, account, "")
    return Answer(False, "no rule of the workspace")


def _filter(built: Built, subnet: dict[str, Any], way: str, source: object, target: str) -> dict[str, Any]:
    """The rule that decides, the first by priority; without a filter, Azure's own last ones."""
    groups = {each.identity: each for each in built.of("Microsoft.Network/networkSecurityGroups")}
    group = groups.get(subnet["properties"].get("networkSecurityGroup", {}).get("id", ""))
    own = group.body["properties"]["securityRules"] if group else []
    rules = [{"name": each["name"], **each["properties"]} for each in own]
    usual = [
        _usual("AllowVnet", 65000, way, "Allow", "VirtualNetwork"),
        _usual("AllowInternetOut", 65001, "Outbound", "Allow", "Internet"),
        _usual("DenyAll", 65500, way, "Deny", "*"),
    ]
    for rule in sorted([*rules, *usual], key=lambda rule: rule["priority"]):
        if rule["direction"] == way and _meets(built, rule, str(source), target):
            return rule
    raise AssertionError("Azure's last rule meets everything")


def _usual(name: str, priority: int, way: str, access: str, target: str) -> dict[str, Any]:
    return {
        "name": name, "priority": priority, "direction": way, "access": access, "destinationAddressPrefix": target,
    }  # fmt: skip


def _meets(built: Built, rule: Mapping[str, Any], source: str, target: str) -> bool:
    froms = rule.get("sourceAddressPrefixes", [rule.get("sourceAddressPrefix", "*")])
    port = rule.get("destinationPortRange", "*")
    return (
        rule.get("protocol", "*") in ("*", "Tcp")
        and port in ("*", str(_HTTPS))
        and any(_covers(built, each, source) for each in froms)
        and _covers(built, rule["destinationAddressPrefix"], target)
    )


def _covers(built: Built, prefix: str, end: str) -> bool:
    """Whether a rule's range or tag holds an address, or a tag that stands for a public one."""
    if prefix == "*":
        return True
    public = not end[0].isdigit()
    if prefix == "Internet":
        return public
    if public:
        return prefix in (end, end.partition(".")[0])
    (network,) = built.of(_NETWORK)
    ranges = network.body["properties"]["addressSpace"]["addressPrefixes"] if prefix == "VirtualNetwork" else [prefix]
    address = ipaddress.IPv4Address(end)
    return any(each[0].isdigit() and address in ipaddress.IPv4Network(each) for each in ranges)
