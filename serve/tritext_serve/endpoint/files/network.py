"""A workspace's file: a section in, what may leave the deployments out. Pure.

Of a workspace only ``managed_network`` means anything here. A private endpoint gets its address in the cloud; here the
workspace's tags may give one, as ``tritext_address_RULE: 10.60.5.4``.
"""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

from tritext_serve.endpoint.files.report import quote
from tritext_serve.endpoint.files.section import Section
from tritext_serve.endpoint.isolation.outbound import outbound
from tritext_serve.endpoint.model import Deployment, IsolationMode, Network, OutboundRule
from tritext_serve.errors import IsolationError

APPROVED = "allow_only_approved_outbound"
MODES = ("disabled", "allow_internet_outbound", APPROVED)
FQDN, SERVICE_TAG, PRIVATE_ENDPOINT = KINDS = ("fqdn", "service_tag", "private_endpoint")
ADDRESS_TAG = "tritext_address_"
MOST_PORTS, MOST_RULES = 1_000, 200
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = re.compile(rf"(\*\.)?{_LABEL}(\.{_LABEL})+")
_TAG = re.compile(r"[A-Za-z][A-Za-z0-9.]{0,79}")
_RESOURCE = re.compile(r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/[^/]+(/[^/]+/[^/]+)+", re.IGNORECASE)
_PORTS = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")
_ANSWERS = dict.fromkeys(("category", "status", "parent_rule_names"), "")
_WORKSPACE = (
    "$schema", "name", "location", "id", "resource_group", "description", "discovery_url", "display_name",
    "hbi_workspace", "storage_account", "container_registry", "key_vault", "application_insights",
    "customer_managed_key", "mlflow_tracking_uri", "image_build_compute", "network_acls",
    "public_network_access", "system_datastores_auth_mode", "identity", "primary_user_assigned_identity",
    "workspace_hub", "provision_network_now", "enable_data_isolation", "allow_roleassignment_on_rg",
    "serverless_compute", "feature_store_settings", "kind",
)  # fmt: skip


def read_network(section: Section) -> Network:
    """Read the file."""
    addresses = _read_addresses(section)
    section.ignore(dict.fromkeys(_WORKSPACE, ""))
    managed = section.section("managed_network")
    if "managed_network" not in section:
        section.refuse("managed_network", "is missing", f"write `managed_network: {{isolation_mode: {APPROVED}}}`")
    section.close()
    return Network() if managed is None else _read_managed(managed, addresses, section)


def _read_managed(section: Section, addresses: Mapping[str, str], workspace: Section) -> Network:
    if section.text("isolation_mode", APPROVED) is None:
        return Network()
    mode = section.choice("isolation_mode", MODES, APPROVED)
    rules: list[OutboundRule] = []
    names: dict[str, str] = {}
    for number, rule in enumerate(section.sections("outbound_rules")):
        name, kind = _read_identity(rule, names)
        names[name.lower()] = kind
        if kind == FQDN and mode == "allow_internet_outbound":
            rule.refuse("type", f"a rule of type fqdn means nothing in {mode}", f"remove it, or write {APPROVED}")
        found = tuple(_READERS[kind](rule, name, addresses)) if kind else ()
        _check_kept(rule, Network(cast(IsolationMode, mode), found))
        rules.extend(found)
        if number >= MOST_RULES:
            rule.refuse("name", f"is the rule after the {MOST_RULES}th", "write fewer, with `*.` for many hosts")
            break
    if rules and mode == "disabled":
        section.refuse("isolation_mode", "is disabled, and the outbound rules mean nothing", f"write {APPROVED}")
    _check_addresses(workspace, addresses, names)
    section.ignore({"firewall_sku": "there is no firewall to rent", "network_id": "", "status": ""})
    section.close()
    return Network(cast(IsolationMode, mode), tuple(rules))


def _check_addresses(workspace: Section, addresses: Mapping[str, str], kinds: Mapping[str, str]) -> None:
    """Refuse an address that is given to no private endpoint."""
    known = ", ".join(name for name, kind in kinds.items() if kind == PRIVATE_ENDPOINT) or "none"
    for name in addresses:
        if kinds.get(name) != PRIVATE_ENDPOINT:
            tag = ADDRESS_TAG + name
            workspace.refuse_key("tags", tag, "names no private endpoint", f"rules of that type: {known}")


def _check_kept(rule: Section, network: Network) -> None:
    """Refuse a rule that Azure could keep and this machine cannot: a tag or a resource whose names nobody knows."""
    try:
        outbound(network, Deployment("any", "any", Path(), "any"))
    except IsolationError as error:
        rule.refuse("destination", str(error), "")


def _read_identity(rule: Section, taken: Mapping[str, str]) -> tuple[str, str]:
    """Read a rule's name and kind; "" for what is wrong."""
    name = rule.text("name", "allow-reviews") or ""
    if name and not _NAME.fullmatch(name):
        rule.refuse("name", f"{quote(name)} is not a name", "use letters, digits, dots, dashes and underscores")
    elif name.lower() in taken:
        rule.refuse("name", f"{quote(name)} names another rule too", "name it otherwise")
    kind = rule.text("type", FQDN)
    if kind is not None and kind not in KINDS:
        rule.refuse("type", f"{quote(kind)} is not known", f"write one of {', '.join(KINDS)}")
    if kind not in KINDS:
        return name, ""
    rule.ignore(_ANSWERS)
    return name, kind


def _read_fqdn(rule: Section, name: str, _: Mapping[str, str]) -> Iterator[OutboundRule]:
    host = rule.text("destination", "reviews.example.com")
    rule.close()
    if host is not None and _is_host(rule, "destination", host):
        yield OutboundRule(name, "fqdn", host.lower())


def _read_service_tag(rule: Section, name: str, _: Mapping[str, str]) -> Iterator[OutboundRule]:
    target = rule.section("destination")
    rule.close()
    if target is None:
        _miss(rule, "{service_tag: Storage, protocol: TCP, port_ranges: '443'}")
        return
    tag = target.text("service_tag", "Storage")
    protocol = target.choice("protocol", ("tcp", "udp", "icmp", "*"), "tcp")
    ports = _read_ports(target)
    target.ignore({"address_prefixes": "a tag stands for host names here"})
    target.close()
    if tag is not None and not _TAG.fullmatch(tag):
        target.refuse("service_tag", f"{quote(tag)} is not a service tag", "write such as Storage.WestEurope")
    elif protocol in ("udp", "icmp"):
        target.note("protocol", f"{protocol.upper()} never leaves: the rule opens nothing")
    elif tag is not None and ports:
        yield OutboundRule(name, "service_tag", tag, ports)


def _read_private_endpoint(rule: Section, name: str, addresses: Mapping[str, str]) -> Iterator[OutboundRule]:
    target = rule.section("destination")
    hosts = rule.texts("fqdns")
    rule.close()
    if target is None:
        _miss(rule, "{service_resource_id: /subscriptions/…, subresource_target: blob, spark_enabled: false}")
        return
    resource = target.text("service_resource_id", "/subscriptions/…/storageAccounts/reviews")
    part = target.text("subresource_target", "blob")
    if target.flag("spark_enabled"):
        target.note("spark_enabled", "ignored: there is no Spark here")
    target.close()
    if resource is not None and not _RESOURCE.fullmatch(resource):
        remedy = "write /subscriptions/ID/resourceGroups/GROUP/providers/PROVIDER/TYPE/NAME"
        target.refuse("service_resource_id", f"{quote(resource)} is no resource's id", remedy)
    elif resource is not None and part is not None and all(_is_host(rule, "fqdns", host) for host in hosts):
        # A resource with several names is several destinations with one address.
        for destination in hosts or (f"{resource}#{part}",):
            yield OutboundRule(name, "private_endpoint", destination, address=addresses.get(name.lower()))


_READERS = {FQDN: _read_fqdn, SERVICE_TAG: _read_service_tag, PRIVATE_ENDPOINT: _read_private_endpoint}


def _miss(rule: Section, example: str) -> None:
    """Refuse a destination that is not there; one that is no table was refused when it was read."""
    if "destination" not in rule:
        rule.refuse("destination", "is missing", f"write `destination: {example}`")


def _is_host(rule: Section, field: str, host: str) -> bool:
    if _HOST.fullmatch(host) and len(host) <= 253 and not host.rpartition(".")[2].isdecimal():
        return True
    rule.refuse(field, f"{quote(host)} is not a host name", "write such as reviews.example.com or *.example.com")
    return False


def _read_ports(target: Section) -> tuple[int, ...]:
    """Read such as ``443, 8080-8089``; empty where it is wrong."""
    text = target.text("port_ranges", '"443"')
    if text is None:
        return ()
    ports: set[int] = set()
    for part in text.split(","):
        match = _PORTS.fullmatch(part.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= first <= last <= 65_535:
            target.refuse("port_ranges", f"{quote(text)} is no list of ports", 'write such as "443, 8080-8089"')
            return ()
        ports.update(range(first, last + 1))
    if len(ports) > MOST_PORTS:
        target.refuse("port_ranges", f"names {len(ports):,} ports", f"name at most {MOST_PORTS:,}")
        return ()
    return tuple(sorted(ports))


def _read_addresses(section: Section) -> dict[str, str]:
    """Read the private addresses that the workspace's tags give, by rule in small letters."""
    found: dict[str, str] = {}
    for tag, value in section.values("tags").items():
        if tag.startswith(ADDRESS_TAG):
            if _is_private(value):
                found[tag.removeprefix(ADDRESS_TAG).lower()] = str(value)
            else:
                section.refuse_key("tags", tag, f"{quote(value)} is no private address", "write such as 10.60.5.4")
    return found


def _is_private(value: object) -> bool:
    try:
        address = ipaddress.IPv4Address(value) if isinstance(value, str) else None
    except ValueError:
        return False
    return address is not None and address.is_private and not (address.is_loopback or address.is_unspecified)
