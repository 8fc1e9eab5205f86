"""Where everything of an isolated endpoint lives: pure rules, and what is refused."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.serve.endpoint.isolation.endpoints import endpoint
from tritext_serve.endpoint.isolation.layout import deployment_namespace
from tritext_serve.endpoint.isolation.walls import MOST_INSTANCES, Walls, wall_off
from tritext_serve.endpoint.model import Endpoint, Network
from tritext_serve.errors import IsolationError


def walls(of: Endpoint | None = None) -> Walls:
    """Plan the walls of an endpoint."""
    return replace(wall_off(of or endpoint(), "tritext.demo.0"), programs={"ip": "/sbin/ip", "nsenter": "/bin/nsenter"})


@given(st.integers(0, 10_000))
def test_instances_that_are_there_at_once_have_their_own_ports_and_the_filter_knows_them(first: int) -> None:
    own = walls()
    seats = [own.seat("blue", first + number)[0] for number in range(2 * MOST_INSTANCES)]
    ports = [port for seat in seats for port in (seat.http, seat.grpc, seat.metrics)]
    assert len(set(ports)) == len(ports)
    allowed = {port for rule in own.plan["deployment-blue"].rules if rule.way == "in" for port in rule.ports}
    assert set(ports) <= allowed


def test_a_triton_is_started_in_its_namespace_and_known_by_its_address_there() -> None:
    address, enter = walls().seat("green", 0)
    assert enter == ("/sbin/ip", "netns", "exec", "tritext.demo.0-deployment-green")
    assert address.reachable_host == walls().plan.address(deployment_namespace("green"), "monitor")


def test_nobody_is_there_but_the_endpoints_own() -> None:
    plan = walls().plan
    assert {each.name for each in plan.namespaces} == {
        *("ingress", "egress", "monitor", "private"),
        *("deployment-blue", "deployment-green", "deployment-grey"),
    }
    assert all(plan[end.namespace] for link in plan.links for end, _ in link.ends)


def test_what_asks_for_no_walls_gets_some_that_nothing_passes() -> None:
    assert wall_off(endpoint(Network("disabled")), "t").egress.doorways == ()


def test_the_whole_internet_and_too_many_instances_are_refused() -> None:
    with pytest.raises(IsolationError, match=r"allow_internet_outbound.*write allow_only_approved_outbound"):
        wall_off(endpoint(Network("allow_internet_outbound")), "t")
    start = endpoint()
    many = replace(start.deployments["blue"], instance_count=MOST_INSTANCES + 1)
    with pytest.raises(IsolationError, match=r"deployment blue: instance_count 9.*write 8 or less"):
        wall_off(replace(start, deployments={**start.deployments, "blue": many}), "t")


def test_a_change_that_moves_no_wall_is_taken_and_others_are_not() -> None:
    start = endpoint()
    own = walls(start)
    more = replace(start.deployments["blue"], instance_count=2)
    own.check(replace(start, traffic={"green": 100}, deployments={**start.deployments, "blue": more}))
    fewer = replace(start.network, outbound_rules=start.network.outbound_rules[:1])
    for other in (
        replace(start, network=fewer),
        replace(start, deployments={"blue": start.deployments["blue"]}),
    ):
        with pytest.raises(IsolationError, match="start it anew"):
            own.check(other)
