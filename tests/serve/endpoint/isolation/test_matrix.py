"""Every probe, really made in namespaces; and each again with one way opened or shut, which it must notice."""

import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from tests.serve.endpoint.isolation.endpoints import endpoint
from tests.serve.endpoint.isolation.loosen import loosen, tighten, walls_between
from tests.serve.endpoint.isolation.world import FORBIDDEN, INSIDE, INTERNET, Setting, World, places, setting, world
from tritext_serve.endpoint.egress import Allowed
from tritext_serve.endpoint.isolation import layout, matrix, namespaces
from tritext_serve.endpoint.isolation.matrix import Probe
from tritext_serve.endpoint.isolation.plan import End, Link, Namespace, Plan
from tritext_serve.endpoint.model import Endpoint, Network

PREFIX = namespaces.own_prefix("matrix")
PATIENCE_SECONDS = 10.0
START = setting(endpoint(), PREFIX)
PROBES = (*matrix.probes(places(START)), *matrix.filtered_probes(places(START)))
SHUT = [probe for probe in PROBES if probe.expected == "shut"]


@pytest.fixture(scope="module")
def standing() -> Iterator[World]:
    if why := namespaces.missing():
        pytest.skip(f"MISSING: {why}")
    with world(START) as running:
        yield running
    assert namespaces.standing(PREFIX) == []


def named(probe: Probe) -> str:
    return probe.name.replace(" ", "-")


def opened(of: Endpoint) -> Endpoint:
    """The same with a public listener, and with grey allowed to leave."""
    grey = replace(of.deployments["grey"], egress="enabled")
    return replace(of, public_network_access="enabled", deployments={**of.deployments, "grey": grey})


def mutate(before: Setting, probe: Probe) -> Setting:
    """Break what makes the probe come out as it does."""
    if probe.expected in ("open", "404"):
        return replace(before, plan=tighten(before.plan, probe))
    if probe.expected == "unauthorised":
        return replace(before, keyless=True)
    if probe.expected == "shut" and probe.host != layout.PUBLIC_LISTENER:
        return replace(before, plan=loosen(before.plan, probe, address_of(before, probe)))
    if probe.expected == "shut" or probe.who == "deployment-grey":
        return setting(opened(before.endpoint), PREFIX)
    if probe.host == INSIDE:
        return unbarred(trap_opened(before))
    doors = tuple(replace(door, allowed=(*door.allowed, Allowed(FORBIDDEN))) for door in before.out.doorways)
    return replace(before, out=replace(before.out, doorways=doors))


def trap_opened(of: Setting) -> Setting:
    """Let the egress reach what a name that is allowed has its address at, inside."""
    trap = Probe("the trap", "egress", "deployment-green", INTERNET[INSIDE], 443, "shut")
    return replace(of, plan=loosen(of.plan, trap, trap.host))


def unbarred(of: Setting) -> Setting:
    """Let it connect wherever a name leads."""
    return replace(of, out=replace(of.out, nowhere=()))


def two(prefix: str) -> Plan:
    """Plan two namespaces with a cable."""
    link = Link(End("here", ("10.9.0.1",)), End("there", ("10.9.0.2",)))
    return Plan(prefix, (Namespace("here"), Namespace("there")), (link,))


def address_of(of: Setting, probe: Probe) -> str:
    """Look a name up in the asker's own hosts file."""
    known = {name: address for address, name in of.plan[probe.who].hosts}
    return known.get(probe.host, probe.host)


@pytest.mark.parametrize("probe", PROBES, ids=named)
def test_it_is_as_it_should_be(standing: World, probe: Probe) -> None:
    standing.become(START)
    word = standing.ask(probe)
    assert probe.holds(word), f"{word}, not {probe.expected}"


@pytest.mark.parametrize("probe", PROBES, ids=named)
def test_a_change_of_one_way_is_noticed(standing: World, probe: Probe) -> None:
    standing.become(mutate(START, probe))
    word = standing.ask(replace(probe, more={**probe.more, "seconds": PATIENCE_SECONDS}))
    assert not probe.holds(word), f"still {word}, although the way was {'opened' if probe in SHUT else 'changed'}"


@pytest.mark.parametrize("probe", SHUT, ids=named)
def test_no_wall_is_the_only_one(standing: World, probe: Probe) -> None:
    """Where several stand between two, each may fall alone."""
    target = address_of(START, probe)
    walls = walls_between(START.plan, probe, target)
    for wall in walls if len(walls) > 1 else ():
        standing.become(replace(START, plan=loosen(START.plan, probe, target, (wall,))))
        assert probe.holds(standing.ask(probe)), wall


@pytest.mark.parametrize("change", [trap_opened, unbarred])
def test_a_name_that_lies_inside_leads_nowhere_if_either_the_filter_or_the_egress_says_so(
    standing: World, change: Callable[[Setting], Setting]
) -> None:
    standing.become(change(START))
    asked = [probe for probe in PROBES if probe.host == INSIDE and probe.who != "deployment-grey"]
    assert {standing.ask(probe) for probe in asked} == {"closed"}


def test_the_public_listener_answers_where_it_is_to_exist(standing: World) -> None:
    public = setting(replace(START.endpoint, public_network_access="enabled"), PREFIX)
    probes = [probe for probe in matrix.probes(places(public)) if probe.who == "outside"]
    standing.become(public)
    words = {probe.name: standing.ask(probe) for probe in probes}
    assert {probe.name: words[probe.name] for probe in probes if not probe.holds(words[probe.name])} == {}
    assert {"open", "unauthorised", "shut"} == {probe.expected for probe in probes}


def test_who_may_reach_everything_reaches_everything_but_the_inside(standing: World) -> None:
    free = setting(endpoint(Network("allow_internet_outbound")), PREFIX)
    away = Probe("away", "deployment-blue", "outside", INTERNET[FORBIDDEN], 443, "open", "tls", {"name": FORBIDDEN})
    green = free.plan.address("deployment-green", "ingress")
    near = Probe("near", "deployment-blue", "deployment-green", green, 8000, "shut")
    grey = replace(away, who="deployment-grey", expected="shut")
    standing.become(free)
    assert [standing.ask(probe) for probe in (away, near, grey)] == ["open", "refused", "unroutable"]


def test_who_was_refused_is_in_the_log_by_name(standing: World) -> None:
    standing.become(START)
    (probe,) = (probe for probe in PROBES if probe.name == "deployment-blue names it to the egress")
    assert standing.ask(probe) == "closed"
    assert standing.logged(f'"name":"{FORBIDDEN}"', '"flags":"NR"')


def test_what_a_killed_run_left_is_swept_away(standing: World) -> None:
    """Namespaces, their files and who runs in them; those of the living stay, this process's others among them."""
    with subprocess.Popen(["sleep", "600"]) as owner:
        left = namespaces.Network(two(f"tritext.left.{owner.pid}"))
        left.__enter__()
        sleeper = standing.sleeper(left.enter(["sleep", "600"], "here"))
        namespaces.sweep_dead()
        assert len(namespaces.standing(left.plan.prefix)) == 2
        owner.kill()
    with namespaces.Network(two(namespaces.own_prefix("next"))):
        assert sleeper.wait(60) != 0
        deadline = time.monotonic() + 60  # another worker's may be sweeping, too, and not be done
        while namespaces.standing(left.plan.prefix) or any(namespaces.FILES.glob(f"{left.plan.prefix}-*")):
            assert time.monotonic() < deadline, namespaces.standing(left.plan.prefix)
            time.sleep(0.05)
    assert len(namespaces.standing(PREFIX)) == len(START.plan.namespaces)
