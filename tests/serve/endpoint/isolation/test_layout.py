"""Properties of every plan, whatever the endpoint."""

import re
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.serve.endpoint.isolation import loosen
from tests.serve.endpoint.isolation.endpoints import APPROVED, deployment, endpoint
from tests.serve.endpoint.isolation.world import places, setting
from tritext_serve.endpoint.isolation import filters, layout, matrix
from tritext_serve.endpoint.isolation.layout import INSIDE, Site, deployment_namespace, doorways, lay_out
from tritext_serve.endpoint.isolation.plan import DEVICE_LIMIT, Namespace, Plan, Rule, device
from tritext_serve.endpoint.model import Access, Endpoint, IsolationMode, Network, OutboundRule
from tritext_serve.errors import IsolationError

NAMES = st.from_regex(r"[a-z][a-z0-9]{1,8}(-[a-z0-9]{1,10}){0,2}", fullmatch=True)
MODES: st.SearchStrategy[IsolationMode] = st.sampled_from(
    ("disabled", "allow_internet_outbound", "allow_only_approved_outbound")
)
SITE = Site("t")
ACCESS: st.SearchStrategy[Access] = st.sampled_from(("enabled", "disabled"))


@st.composite
def endpoints(draw: st.DrawFn) -> Endpoint:
    """Up to twenty deployments, each with or without egress, under any network."""
    mode = draw(MODES)
    rules = [
        rule for rule in APPROVED.outbound_rules if mode == "allow_only_approved_outbound" or "private" in rule.kind
    ]
    network = Network(mode, tuple(draw(st.lists(st.sampled_from(rules), max_size=4, unique=True))))
    named = {
        name: replace(deployment(name), egress=draw(ACCESS)) for name in draw(st.sets(NAMES, min_size=1, max_size=20))
    }
    access = draw(ACCESS)
    return Endpoint("demo", access, deployments=named, network=network)


def accepted(plan: Plan, namespace: str, way: str) -> list[str]:
    return [rule.why for rule in plan[namespace].rules if rule.way == way and rule.accept]


@given(endpoints())
def test_deployments_have_no_link_to_each_other_nor_to_strangers(drawn: Endpoint) -> None:
    plan = lay_out(drawn, SITE)
    cells = [deployment_namespace(name) for name in drawn.deployments]
    for one, other in combinations(cells, 2):
        assert not plan.linked(one, other)
    for cell in cells:
        assert plan.linked("ingress", cell)
        assert not plan.linked("client", cell)
        assert not plan.linked("outside", cell)


@given(endpoints())
def test_an_address_is_one_ends_alone(drawn: Endpoint) -> None:
    """But for private endpoints, which several deployments reach at the same address."""
    ends = [end for link in lay_out(drawn, SITE).links for end in (link.left, link.right) if end.namespace != "private"]
    addresses = [address for end in ends for address in end.addresses]
    assert len(addresses) == len(set(addresses))


@given(endpoints())
def test_devices_of_a_namespace_have_different_names_that_fit(drawn: Endpoint) -> None:
    plan = lay_out(drawn, SITE)
    for namespace in plan.namespaces:
        peers = [
            there.namespace for link in plan.links for here, there in link.ends if here.namespace == namespace.name
        ]
        assert len({device(peer) for peer in peers}) == len(peers)
        assert all(len(device(peer)) <= DEVICE_LIMIT for peer in peers)


@given(endpoints())
def test_only_who_may_reach_everything_has_a_way_through(drawn: Endpoint) -> None:
    plan = lay_out(drawn, SITE)
    free = drawn.network.isolation_mode != "allow_only_approved_outbound"
    free = free and any(each.egress == "enabled" for each in drawn.deployments.values())
    assert plan["egress"].forwards is free
    assert not any(namespace.forwards for namespace in plan.namespaces if namespace.name != "egress")
    for name, each in drawn.deployments.items():
        if each.egress == "disabled":
            assert accepted(plan, deployment_namespace(name), "out") == []


@given(endpoints())
def test_the_egress_sends_nothing_inside(drawn: Endpoint) -> None:
    first = lay_out(drawn, SITE)["egress"].rules[0]
    assert (first.way, first.target, first.accept) == ("out", INSIDE, False)


@given(endpoints())
def test_the_public_comes_in_where_it_may(drawn: Endpoint) -> None:
    allowed = "the public listener" in accepted(lay_out(drawn, SITE), "ingress", "in")
    assert allowed is (drawn.public_network_access == "enabled")


@given(endpoints())
def test_every_filter_drops_what_it_does_not_name(drawn: Endpoint) -> None:
    for namespace in lay_out(drawn, SITE).namespaces:
        text = filters.render(namespace)
        assert text.count("policy drop;") == 3
        assert text.count("{") == text.count("}")
        assert text.startswith("table inet tritext\ndelete table inet tritext\n")


@given(endpoints())
def test_the_egress_listens_where_deployments_send(drawn: Endpoint) -> None:
    plan = lay_out(drawn, SITE)
    for door in doorways(drawn).doorways:
        namespace = plan[deployment_namespace(door.deployment)]
        assert namespace.resolver == door.address
        assert plan.address("egress", deployment_namespace(door.deployment)) == door.address


def test_a_comment_cannot_end_its_quotes() -> None:
    rules = (Rule("in", 'x" accept\n#'),)
    text = filters.render(Namespace("n", rules))
    assert re.findall(r'comment "(.*)"', text) == ["x_ accept__"]


def test_a_name_that_is_none_is_refused() -> None:
    rule = OutboundRule("r", "fqdn", "a.example\n10.0.0.1 b.example")
    with pytest.raises(IsolationError, match="is not a host name"):
        lay_out(endpoint(Network("allow_only_approved_outbound", (rule,))), SITE)


def test_what_lies_inside_is_no_address_of_the_internet() -> None:
    plan = lay_out(endpoint(), Site("p", {"a.example": "198.51.100.7", "b.example": "10.60.16.2"}))
    (outside,) = (
        link.right for link in plan.links if {link.left.namespace, link.right.namespace} == {"egress", "outside"}
    )
    assert outside.addresses == (layout.ROUTER, "198.51.100.7")
    assert ("10.60.16.2", "b.example") in plan["egress"].hosts


def test_every_probe_that_must_not_come_through_has_a_wall() -> None:
    """And those with one wall alone are known: the ingress' own filter, and the refusals of a deployment's own."""
    start = setting(endpoint(), "p")
    known = {name: address for each in start.plan.namespaces for address, name in each.hosts}
    single = set()
    for probe in (*matrix.probes(places(start)), *matrix.filtered_probes(places(start))):
        if probe.expected == "shut":
            walls = loosen.walls_between(start.plan, probe, known.get(probe.host, probe.host))
            assert walls, probe.name
            single |= {probe.name} if len(walls) == 1 else set()
    assert single == {
        "outside, with the key",
        "outside, no key",
        "deployment-blue to another port of it",
        "deployment-green to another port of it",
    }
