"""What must pass and what must not, as data: one list of probes for namespaces and for containers. Pure.

``shut`` is any of refused, unroutable and silent: which of them depends on where the wall stands.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tritext_serve.endpoint.egress import STATS_PORT
from tritext_serve.endpoint.isolation.layout import EDGE_PORT, GRPC_PORT, HTTP_PORT, METRICS_PORT

SHUT = ("refused", "unroutable", "silent")
# How long nothing must come back for silence; whoever is to answer gets the prober's own patience.
SILENT_SECONDS = 1.0
PREDICT = {"path": "/predict", "body": '{"text": "A lovely film."}'}
COUNTERS = {"path": "/stats/prometheus"}
DNS_PORT, TLS_PORT = 53, 443


@dataclass(frozen=True, slots=True)
class Probe:
    """One attempt and what it must come to.

    Attributes:
        name: What a reader calls it.
        who: From where: a namespace or service.
        whom: To where.
        host: Address or name.
        port: Of the target.
        expected: The word of the prober, or ``shut``.
        kind: How to ask.
        more: Further fields of the question.
    """

    name: str
    who: str
    whom: str
    host: str
    port: int
    expected: str
    kind: Literal["http", "tls", "dns"] = "http"
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def question(self) -> dict[str, Any]:
        """What the prober is asked."""
        patience = {"seconds": SILENT_SECONDS} if self.expected == "shut" else {}
        return {"kind": self.kind, "host": self.host, "port": self.port, **patience, **self.more}

    def holds(self, word: str) -> bool:
        """Tell whether a word is the expected one."""
        return word in SHUT if self.expected == "shut" else word == self.expected


@dataclass(frozen=True, slots=True)
class Cell:
    """A deployment as others see it.

    Attributes:
        place: Its namespace or service.
        address: Where the ingress reaches it.
        monitored: Where the monitor reaches it.
        doorway: Where the egress listens for it; empty if it may not leave.
    """

    place: str
    address: str
    monitored: str
    doorway: str


@dataclass(frozen=True, slots=True)
class Places:
    """Where everything is.

    Attributes:
        private_listener: Of the ingress.
        public_listener: Of the ingress, whether it exists or not.
        public_port: Its port.
        public: Whether it is to exist.
        stats: Where the ingress shows its counters.
        cells: The deployments.
        allowed: Names that may be reached.
        forbidden: A name that exists outside and may not be reached.
        inside: An allowed name whose address lies inside; empty for none.
        outside: The address of the forbidden name, where TLS answers.
        resolver: A name server outside.
        service: The name of a private endpoint; empty for none.
        key: One that the edge takes.
    """

    private_listener: str
    public_listener: str
    public_port: int
    public: bool
    stats: str
    cells: tuple[Cell, ...]
    allowed: tuple[str, ...]
    forbidden: str
    inside: str
    outside: str
    resolver: str
    service: str
    key: str


def probes(places: Places) -> tuple[Probe, ...]:
    """List every probe."""
    found = [*_inbound(places), *_edge(places)]
    for cell in places.cells:
        found += _cell(places, cell)
        found += _outbound(places, cell) if cell.doorway else _nothing(places, cell)
    return tuple(found)


def _inbound(places: Places) -> list[Probe]:
    private, public, right = places.private_listener, places.public_listener, _keyed(places.key)
    admitted, turned_away = ("open", "unauthorised") if places.public else ("shut", "shut")
    return [
        Probe("client, with the key", "client", "ingress", private, EDGE_PORT, "open", more=right),
        Probe("client, no key", "client", "ingress", private, EDGE_PORT, "unauthorised", more=PREDICT),
        Probe("client, another key", "client", "ingress", private, EDGE_PORT, "unauthorised", more=_keyed("wrong")),
        Probe("outside, with the key", "outside", "ingress", public, places.public_port, admitted, more=right),
        Probe("outside, no key", "outside", "ingress", public, places.public_port, turned_away, more=PREDICT),
        Probe("outside, private listener", "outside", "ingress", private, EDGE_PORT, "shut", more=right),
        Probe("client, the edge's counters", "client", "ingress", places.stats, STATS_PORT, "shut", more=COUNTERS),
    ]


def _edge(places: Places) -> list[Probe]:
    secrets, tls = {"path": "/config_dump"}, {"name": places.forbidden}
    return [
        Probe("monitor, the edge's counters", "monitor", "ingress", places.stats, STATS_PORT, "open", more=COUNTERS),
        Probe("monitor, the edge's other pages", "monitor", "ingress", places.stats, STATS_PORT, "404", more=secrets),
        Probe("ingress to the internet", "ingress", "outside", places.outside, TLS_PORT, "shut", "tls", tls),
    ]


def _cell(places: Places, cell: Cell) -> list[Probe]:
    """Who may ask a deployment, and whom inside it may ask."""
    place, ready = cell.place, {"path": "/v2/health/ready"}
    found = [
        Probe(f"ingress to {place}", "ingress", place, cell.address, HTTP_PORT, "open", more=ready),
        Probe(f"client to {place}", "client", place, cell.address, HTTP_PORT, "shut", more=ready),
        Probe(f"client to {place}, gRPC", "client", place, cell.address, GRPC_PORT, "shut"),
        Probe(f"outside to {place}", "outside", place, cell.address, HTTP_PORT, "shut", more=ready),
        Probe(f"{place} to the ingress", place, "ingress", places.private_listener, EDGE_PORT, "shut"),
    ]
    for other in places.cells:
        if other.place != place:
            name = f"{place} to {other.place}"
            found.append(Probe(name, place, other.place, other.address, HTTP_PORT, "shut", more=ready))
    return found


def filtered_probes(places: Places) -> tuple[Probe, ...]:
    """List what filters add between those who share a link, which containers do not have."""
    metrics: dict[str, Any] = {"path": "/metrics"}
    found = []
    for cell in places.cells:
        at, place = cell.monitored, cell.place
        found += [
            Probe(f"monitor, metrics of {place}", "monitor", place, at, METRICS_PORT, "open", more=metrics),
            Probe(f"monitor, gRPC of {place}", "monitor", place, at, GRPC_PORT, "shut"),
            Probe(f"ingress, metrics of {place}", "ingress", place, cell.address, METRICS_PORT, "shut", more=metrics),
            Probe(f"egress to {place}", "egress", place, cell.address, HTTP_PORT, "shut"),
        ]
    return tuple(found)


def _outbound(places: Places, cell: Cell) -> list[Probe]:
    """What a deployment gets that may leave for what is allowed."""
    place, bad = cell.place, places.forbidden
    found = [
        Probe(f"{place} to {host}", place, "egress", host, TLS_PORT, "open", "tls", {"name": host})
        for host in places.allowed
    ]
    found += [
        Probe(f"{place} to a forbidden name", place, "egress", bad, TLS_PORT, "unresolved", "tls", {"name": bad}),
        Probe(
            f"{place} names it to the egress", place, "egress", cell.doorway, TLS_PORT, "closed", "tls", {"name": bad}
        ),
        Probe(f"{place} asks where it is", place, "egress", cell.doorway, DNS_PORT, "unresolved", "dns", {"name": bad}),
        *_past_the_egress(places, cell),
    ]
    if places.inside:
        trap = {"name": places.inside}
        name = f"{place} to a name that lies inside"
        found.append(Probe(name, place, "egress", places.inside, TLS_PORT, "closed", "tls", trap))
    if places.service:
        name = places.service
        found.append(
            Probe(f"{place} to its private endpoint", place, "private", name, TLS_PORT, "open", "tls", {"name": name})
        )
        found.append(Probe(f"{place} to another port of it", place, "private", name, EDGE_PORT, "shut"))
    return found


def _nothing(places: Places, cell: Cell) -> list[Probe]:
    """What a deployment gets that may not leave at all."""
    names = [(host, f"{cell.place} to {host}") for host in (*places.allowed, places.service) if host]
    found = [
        Probe(name, cell.place, "egress", host, TLS_PORT, "unresolved", "tls", {"name": host}) for host, name in names
    ]
    return found + _past_the_egress(places, cell)


def _past_the_egress(places: Places, cell: Cell) -> list[Probe]:
    place, bad = cell.place, {"name": places.forbidden}
    return [
        Probe(f"{place} to an address outside", place, "outside", places.outside, TLS_PORT, "shut", "tls", bad),
        Probe(f"{place} to a resolver outside", place, "outside", places.resolver, DNS_PORT, "shut", "dns", bad),
    ]


def _keyed(key: str) -> dict[str, Any]:
    return {**PREDICT, "headers": {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}}
