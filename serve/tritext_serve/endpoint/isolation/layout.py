"""An endpoint in, the plan of its network out. Pure.

::

    outside ── 203.0.113.0/24 ──┐                       ┌── deployment-blue ──┬── private (storage, …)
    client ─── 10.60.0.0/24 ────┤ ingress ── (a link each)                    ├── egress ── the internet
    monitor ────────────────────┘         └── deployment-green ───────────────┘
       └───────────────────── metrics and health of each ─────────────────────┘

The ingress listens towards ``client``, and towards ``outside`` only where the public has access. ``monitor`` is where
the supervisor and Prometheus live. Deployments have no link to each other.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

from tritext_serve.endpoint.egress import DNS_PORT, STATS_PORT, Doorway, Egress
from tritext_serve.endpoint.isolation.outbound import Outbound, PrivateEndpoint, outbound
from tritext_serve.endpoint.isolation.plan import End, Link, Namespace, Plan, Rule
from tritext_serve.endpoint.model import Endpoint
from tritext_serve.errors import IsolationError

EDGE_PORT, HTTP_PORT, GRPC_PORT, METRICS_PORT, HEALTH_PORT = 8080, 8000, 8001, 8002, 8003
# From the ports of one instance of a deployment to those of the next.
NEXT_INSTANCE = 10
PRIVATE_LISTENER, CLIENT = "10.60.0.1", "10.60.0.2"
PUBLIC_LISTENER, OUTSIDE = "203.0.113.1", "203.0.113.2"  # a range that is kept for examples
EGRESS_PUBLIC, ROUTER = "198.51.100.1", "198.51.100.2"  # another
INSIDE = "10.60.0.0/16"
EVERYWHERE = "0.0.0.0/0"
_HOST = re.compile(r"(\*\.)?[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Site:
    """What the network stands in.

    Attributes:
        prefix: Of the kernel's names.
        internet: Addresses of hosts by name: what the egress resolves without asking anybody. Those that do not lie
            inside are the addresses of ``outside``.
        slots: Instances of a deployment that have ports.
    """

    prefix: str
    internet: Mapping[str, str] = field(default_factory=dict)
    slots: int = 1


def deployment_namespace(deployment: str) -> str:
    """Name the namespace of a deployment."""
    return f"deployment-{deployment}"


def lay_out(endpoint: Endpoint, site: Site) -> Plan:
    """Plan the network of an endpoint.

    Raises:
        IsolationError: an outbound rule means nothing here, or holds what is no host name.
    """
    public = endpoint.public_network_access == "enabled"
    cells = _cells(endpoint, site.slots)
    for cell in cells:
        _check_hosts(cell.outbound)
    namespaces = [
        Namespace("client", _anywhere("a user inside")),
        Namespace("outside", _anywhere("the internet")),
        Namespace("private", _anywhere("services behind private endpoints")),
        Namespace("monitor", _monitor(cells)),
        Namespace("ingress", _ingress(cells, public)),
        _egress(cells, site),
        *(cell.namespace for cell in cells),
    ]
    links = [
        Link(End("ingress", (PRIVATE_LISTENER,)), End("client", (CLIENT,))),
        Link(End("ingress", (PUBLIC_LISTENER,)), End("outside", (OUTSIDE,))),
        Link(End("monitor", ("10.60.1.1",)), End("ingress", ("10.60.1.2",))),
        Link(End("egress", (EGRESS_PUBLIC,), (EVERYWHERE,)), End("outside", (ROUTER, *_outside(site)))),
        *(link for cell in cells for link in cell.links),
    ]
    return Plan(site.prefix, tuple(namespaces), tuple(links))


def ports_of(slot: int) -> tuple[int, int, int]:
    """Give the ports of an instance: HTTP, gRPC, metrics."""
    http, grpc, metrics = (port + slot * NEXT_INSTANCE for port in (HTTP_PORT, GRPC_PORT, METRICS_PORT))
    return http, grpc, metrics


def doorways(endpoint: Endpoint) -> Egress:
    """Describe the egress proxy that belongs to the plan of an endpoint."""
    cells = _cells(endpoint)
    return Egress(tuple(Doorway(c.name, c.doorway, c.outbound.names) for c in cells if c.outbound.names))


@dataclass(frozen=True, slots=True)
class _Cell:
    """One deployment's place in the plan."""

    number: int
    name: str
    outbound: Outbound
    slots: int = 1

    def ports(self, *kinds: int) -> tuple[int, ...]:
        """Give the ports of some kinds of every instance."""
        return tuple(kind + slot * NEXT_INSTANCE for slot in range(self.slots) for kind in kinds)

    @property
    def _network(self) -> str:
        return f"10.60.{16 + self.number}"

    @property
    def doorway(self) -> str:
        """The egress's address towards this deployment."""
        return f"{self._network}.5"

    @property
    def caller(self) -> str:
        """The deployment's address towards the egress."""
        return f"{self._network}.6"

    @property
    def address(self) -> str:
        """The deployment's address towards the ingress."""
        return f"{self._network}.2"

    @property
    def monitored(self) -> str:
        """The deployment's address towards the monitor."""
        return f"{self._network}.10"

    @property
    def leaves(self) -> bool:
        """Whether there is any way to the egress."""
        return self.outbound.everything or bool(self.outbound.names)

    @property
    def private(self) -> tuple[tuple[str, PrivateEndpoint], ...]:
        """Its private endpoints with their addresses."""
        given = enumerate(self.outbound.private)
        return tuple((each.address or f"{self._network}.{100 + number}", each) for number, each in given)

    @property
    def namespace(self) -> Namespace:
        network, metrics = self._network, (*self.ports(METRICS_PORT), HEALTH_PORT)
        rules = [
            Rule(
                "in", "the edge asks for labels", f"{network}.1", self.address, "tcp", self.ports(HTTP_PORT, GRPC_PORT)
            ),
            Rule("in", "metrics and health", f"{network}.9", self.monitored, "tcp", metrics),
            Rule("in", "the canary", f"{network}.9", self.monitored, "tcp", self.ports(HTTP_PORT)),
        ]
        for address, endpoint in self.private:
            rules.append(Rule("out", f"private endpoint {endpoint.host}", "", address, "tcp", endpoint.ports))
        ports = tuple(sorted({port for allowed in self.outbound.names for port in allowed.ports}))
        if ports:
            rules.append(Rule("out", "allowed names, through the egress", "", self.doorway, "tcp", ports))
            rules.append(Rule("out", "where allowed names lie", "", self.doorway, "udp", (DNS_PORT,)))
        if self.outbound.everything:
            rules.append(Rule("out", "nothing inside", target=INSIDE, protocol="", accept=False))
            rules.append(Rule("out", "the whole internet", protocol=""))
        hosts = tuple((address, endpoint.host) for address, endpoint in self.private)
        return Namespace(deployment_namespace(self.name), tuple(rules), hosts, self.doorway if ports else "")

    @property
    def links(self) -> list[Link]:
        own, network = deployment_namespace(self.name), self._network
        links = [
            Link(End("ingress", (f"{network}.1",)), End(own, (self.address,))),
            Link(End("monitor", (f"{network}.9",)), End(own, (self.monitored,))),
        ]
        if self.leaves:
            reaches = (EVERYWHERE,) if self.outbound.everything else ()
            links.append(Link(End("egress", (self.doorway,)), End(own, (self.caller,), reaches)))
        if self.private:
            addresses = tuple(address for address, _ in self.private)
            links.append(Link(End("private", addresses), End(own, (f"{network}.13",))))
        return links


def _cells(endpoint: Endpoint, slots: int = 1) -> list[_Cell]:
    return [
        _Cell(number, name, outbound(endpoint.network, deployment), slots)
        for number, (name, deployment) in enumerate(sorted(endpoint.deployments.items()))
    ]


def _outside(site: Site) -> tuple[str, ...]:
    inside = ip_network(INSIDE)
    return tuple(dict.fromkeys(each for each in site.internet.values() if ip_address(each) not in inside))


def _anywhere(what: str) -> tuple[Rule, ...]:
    """Somebody else's network, which is not ours to filter."""
    return Rule("in", what, protocol=""), Rule("out", what, protocol="")


def _ingress(cells: list[_Cell], public: bool) -> tuple[Rule, ...]:
    rules = [Rule("in", "the private listener", CLIENT, PRIVATE_LISTENER, "tcp", (EDGE_PORT,))]
    if public:
        rules.append(Rule("in", "the public listener", "", PUBLIC_LISTENER, "tcp", (EDGE_PORT,), "outside"))
    rules.append(Rule("in", "the edge's counters", "10.60.1.1", "10.60.1.2", "tcp", (STATS_PORT,)))
    rules.append(Rule("out", "the supervisor's verdicts", "", "10.60.1.1", "tcp", (HEALTH_PORT,)))
    for cell in cells:
        rules.append(Rule("out", f"labels of {cell.name}", "", cell.address, "tcp", cell.ports(HTTP_PORT, GRPC_PORT)))
    return tuple(rules)


def _monitor(cells: list[_Cell]) -> tuple[Rule, ...]:
    rules = [
        Rule("in", "the edge asks who is well", "10.60.1.2", "10.60.1.1", "tcp", (HEALTH_PORT,)),
        Rule("out", "the edge's counters", "", "10.60.1.2", "tcp", (STATS_PORT,)),
    ]
    for cell in cells:
        ports = (*cell.ports(HTTP_PORT, METRICS_PORT), HEALTH_PORT)
        rules.append(Rule("out", f"canary and metrics of {cell.name}", "", cell.monitored, "tcp", ports))
    return tuple(rules)


def _egress(cells: list[_Cell], site: Site) -> Namespace:
    """Let in what deployments may ask for, and nothing out to the inside: a name that points there leads nowhere.

    Only where somebody may reach everything do packets pass through, and leave under its address.
    """
    rules = [Rule("out", "nothing inside, whatever a name says", target=INSIDE, protocol="", accept=False)]
    for cell in cells:
        ports = tuple(sorted({port for allowed in cell.outbound.names for port in allowed.ports}))
        if ports:
            rules.append(Rule("in", f"names for {cell.name}", cell.caller, cell.doorway, "tcp", ports))
            rules.append(Rule("in", f"the table for {cell.name}", cell.caller, cell.doorway, "udp", (DNS_PORT,)))
            rules.append(Rule("out", f"what {cell.name} may reach", "", "", "tcp", ports))
        if cell.outbound.everything:
            rules.append(Rule("through", f"{cell.name}, not inside", target=INSIDE, protocol="", accept=False))
            rules.append(Rule("through", f"{cell.name} to anywhere", cell.caller, protocol=""))
    rules.append(Rule("out", "questions for addresses", "", ROUTER, "udp", (DNS_PORT,)))
    through = any(cell.outbound.everything for cell in cells)
    hosts = tuple((address, name) for name, address in site.internet.items())
    return Namespace("egress", tuple(rules), hosts, forwards=through, hides=through)


def _check_hosts(reached: Outbound) -> None:
    for host in [*(allowed.host for allowed in reached.names), *(each.host for each in reached.private)]:
        if not _HOST.fullmatch(host):
            raise IsolationError(f"outbound rule: {host!r} is not a host name: write one such as storage.example")
