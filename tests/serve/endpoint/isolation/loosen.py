"""What must not go unnoticed: one way opened that should be shut, or one shut that should be open."""

from dataclasses import replace
from typing import Literal

from tritext_serve.endpoint.isolation.matrix import Probe
from tritext_serve.endpoint.isolation.plan import End, Link, Plan, Rule, add_links, replace_namespace

WALLS = ("link", "out", "in")


def loosen(plan: Plan, probe: Probe, address: str, walls: tuple[str, ...] = WALLS) -> Plan:
    """Let the asker of a probe reach its target: lay the missing link, and open the filters at both ends.

    Args:
        plan: What stands.
        probe: Whose way is opened.
        address: The target's address.
        walls: Which of the walls between them are taken down.
    """
    protocol: Literal["udp", "tcp"] = "udp" if probe.kind == "dns" else "tcp"
    if "link" in walls:
        plan = _route(plan, probe.who, probe.whom, address)
    for wall, namespace in (("out", probe.who), ("in", probe.whom)):
        if wall in walls:
            opened = Rule("out" if wall == "out" else "in", "loosened", "", address, protocol, (probe.port,))
            plan = _first(plan, namespace, opened)
    return plan


def tighten(plan: Plan, probe: Probe) -> Plan:
    """Refuse at its own door whatever the asker of a probe sends out."""
    protocol: Literal["udp", "tcp"] = "udp" if probe.kind == "dns" else "tcp"
    return _first(plan, probe.who, Rule("out", "tightened", protocol=protocol, ports=(probe.port,), accept=False))


def walls_between(plan: Plan, probe: Probe, address: str) -> tuple[str, ...]:
    """List the walls that stand between a probe's two ends."""
    filtered = {name for name in (probe.who, probe.whom) if all(rule.protocol for rule in plan[name].rules)}
    link = () if _routed(plan, probe.who, probe.whom, address) else ("link",)
    ends = [("out", probe.who), ("in", probe.whom)]
    return (*link, *(wall for wall, name in ends if name in filtered))


def _first(plan: Plan, namespace: str, rule: Rule) -> Plan:
    found = plan[namespace]
    return replace_namespace(plan, replace(found, rules=(rule, *found.rules)))


def _routed(plan: Plan, who: str, whom: str, address: str) -> bool:
    """Tell whether one knows a way to another's address."""
    far_ends = [there for link in plan.links for here, there in link.ends if here.namespace == who]
    return any(end.namespace == whom and address in end.addresses for end in far_ends)


def _route(plan: Plan, who: str, whom: str, address: str) -> Plan:
    """Lay a link, or a route over the one that there is."""
    if _routed(plan, who, whom, address):
        return plan
    if not plan.linked(who, whom):
        return add_links(plan, [Link(End(who, ("10.60.250.1",)), End(whom, (address,)))])
    links = tuple(_reaching(link, who, address) if link.joins(who, whom) else link for link in plan.links)
    return replace(plan, links=links)


def _reaching(link: Link, who: str, address: str) -> Link:
    left, right = (
        replace(end, reaches=(*end.reaches, f"{address}/32")) if end.namespace == who else end
        for end in (link.left, link.right)
    )
    return Link(left, right)
