"""NetworkPolicies as Kubernetes reads them: who may open a connection to whom. Pure.

A pod that some policy chooses for a direction refuses there what none of the policies that choose it allows; one that
none chooses takes everything. A connection needs the leave of both ends. Beyond the cluster everybody may, except for
what the pod's own policies say.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any, Literal

from tests.deploy.k8s.rules import chosen
from tests.deploy.k8s.schemas import Manifest

Direction = Literal["Ingress", "Egress"]


@dataclass(frozen=True, slots=True)
class Place:
    """A pod, or with no namespace somebody beyond the cluster.

    Attributes:
        name: What a reader calls it.
        address: Its IP address.
        namespace: The name of its namespace; "" outside.
        labels: Its own.
        around: Its namespace's labels.
        ports: Numbers of its ports by their names.
    """

    name: str
    address: str
    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    around: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)


def open_between(policies: Sequence[Manifest], source: Place, target: Place, port: int, protocol: str = "TCP") -> bool:
    """Tell whether a connection may be opened."""
    way = Way(target, port, protocol)
    return _allowed(policies, source, target, way, "Egress") and _allowed(policies, target, source, way, "Ingress")


@dataclass(frozen=True, slots=True)
class Way:
    """Where a connection leads: a port of a place, by TCP or UDP."""

    target: Place
    port: int
    protocol: str


def _allowed(policies: Sequence[Manifest], own: Place, other: Place, way: Way, direction: Direction) -> bool:
    binding = [each for each in policies if _binds(each, own, direction)]
    if not binding:
        return True
    peers, field_name = ("to", "egress") if direction == "Egress" else ("from", "ingress")
    rules = [(each, rule) for each in binding for rule in each["spec"].get(field_name, [])]
    return any(_port_of(rule.get("ports"), way) and _peer_of(rule.get(peers), policy, other) for policy, rule in rules)


def _binds(policy: Manifest, own: Place, direction: Direction) -> bool:
    spec = policy["spec"]
    usual = ["Ingress", "Egress"] if "egress" in spec else ["Ingress"]
    here = bool(own.namespace) and policy["metadata"].get("namespace", "default") == own.namespace
    return here and direction in spec.get("policyTypes", usual) and chosen(spec["podSelector"], dict(own.labels))


def _port_of(ports: Iterable[Mapping[str, Any]] | None, way: Way) -> bool:
    if not ports:
        return True
    for each in ports:
        if each.get("protocol", "TCP") != way.protocol:
            continue
        wanted = each.get("port", way.port)
        first = way.target.ports.get(wanted, -1) if isinstance(wanted, str) else int(wanted)
        if first <= way.port <= int(each.get("endPort", first)):
            return True
    return False


def _peer_of(peers: Iterable[Mapping[str, Any]] | None, policy: Manifest, other: Place) -> bool:
    if not peers:
        return True
    return any(_is(peer, policy["metadata"].get("namespace", "default"), other) for peer in peers)


def _is(peer: Mapping[str, Any], home: str, other: Place) -> bool:
    if "ipBlock" in peer:
        block, address = peer["ipBlock"], ip_address(other.address)
        return address in ip_network(block["cidr"]) and not any(
            address in ip_network(each) for each in block.get("except", [])
        )
    if not other.namespace:
        return False
    inside = (
        chosen(peer["namespaceSelector"], dict(other.around))
        if "namespaceSelector" in peer
        else (other.namespace == home)
    )
    return inside and ("podSelector" not in peer or chosen(peer["podSelector"], dict(other.labels)))
