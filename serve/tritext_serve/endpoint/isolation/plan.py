"""Namespaces, links and packet filters as data. Pure.

Each namespace refuses everything in, out and through but for its rules. There are links between those who have
something to say to each other and no others, so that most of what is forbidden has no route either.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Way = Literal["in", "out", "through"]
# Where the kernel shows namespaces by their names.
NAMED = Path("/run/netns")
DEVICE_LIMIT = 15  # characters in a device's name: IFNAMSIZ less its NUL


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of packet and what becomes of it. Empty fields match everything.

    Attributes:
        way: Into the namespace, out of it, or through it.
        why: What it is for, in a few words.
        source: Address or prefix of the sender.
        target: Address or prefix of the receiver.
        protocol: What carries it.
        ports: Of the receiver.
        via: The namespace at the other end of the link that it comes from or leaves by.
        accept: Whether it passes; else it is refused at once, so that a mistake is an error and not a wait.
    """

    way: Way
    why: str
    source: str = ""
    target: str = ""
    protocol: Literal["", "tcp", "udp"] = "tcp"
    ports: tuple[int, ...] = ()
    via: str = ""
    accept: bool = True


@dataclass(frozen=True, slots=True)
class Namespace:
    """One network of its own.

    Attributes:
        name: Within the plan.
        rules: In order; what none takes is refused.
        hosts: (address, name) for its hosts file.
        resolver: Who answers its other names; empty for nobody.
        forwards: Whether packets may pass through it, which the rules still judge.
        hides: Whether what passes through it leaves under its own address.
    """

    name: str
    rules: tuple[Rule, ...] = ()
    hosts: tuple[tuple[str, str], ...] = ()
    resolver: str = ""
    forwards: bool = False
    hides: bool = False


@dataclass(frozen=True, slots=True)
class End:
    """One end of a link.

    Attributes:
        namespace: Where it is.
        addresses: Its own; the first is the one it sends from.
        reaches: Prefixes beyond the other end's addresses that are routed there.
    """

    namespace: str
    addresses: tuple[str, ...]
    reaches: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        """The first address."""
        return self.addresses[0]


@dataclass(frozen=True, slots=True)
class Link:
    """A cable between two namespaces."""

    left: End
    right: End

    @property
    def ends(self) -> tuple[tuple[End, End], tuple[End, End]]:
        """Each end with its other."""
        return (self.left, self.right), (self.right, self.left)

    def joins(self, one: str, other: str) -> bool:
        """Tell whether these two are at its ends."""
        return {self.left.namespace, self.right.namespace} == {one, other}


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole network.

    Attributes:
        prefix: Begins the kernel's name of each namespace, and of nothing else's.
        namespaces: By no particular order.
        links: Between them.
    """

    prefix: str
    namespaces: tuple[Namespace, ...]
    links: tuple[Link, ...]

    def __getitem__(self, name: str) -> Namespace:
        """Find a namespace."""
        return next(each for each in self.namespaces if each.name == name)

    def kernel_name(self, name: str) -> str:
        """Name a namespace as ``ip netns`` does."""
        return f"{self.prefix}-{name}"

    def address(self, of: str, towards: str) -> str:
        """Give the address under which one namespace is known to another.

        Raises:
            KeyError: there is no link between them.
        """
        for link in self.links:
            for here, there in link.ends:
                if (here.namespace, there.namespace) == (of, towards):
                    return here.address
        raise KeyError(f"no link between {of} and {towards}")

    def linked(self, one: str, other: str) -> bool:
        """Tell whether there is a link between two."""
        return any(link.joins(one, other) for link in self.links)


def device(peer: str) -> str:
    """Name the device that leads to a peer: readable where that fits, and one of its own in any case."""
    name = f"to-{peer}"
    if len(name) <= DEVICE_LIMIT:
        return name
    return f"to-{peer[:5]}-{hashlib.sha256(peer.encode()).hexdigest()[:6]}"


def replace_namespace(plan: Plan, changed: Namespace) -> Plan:
    """Put a namespace in the place of the one of its name."""
    return Plan(plan.prefix, tuple(changed if n.name == changed.name else n for n in plan.namespaces), plan.links)


def add_links(plan: Plan, links: Iterable[Link]) -> Plan:
    """Lay more cables."""
    return Plan(plan.prefix, plan.namespaces, (*plan.links, *links))
