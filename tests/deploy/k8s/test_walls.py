"""The policies give the walls of `up --isolate` and of the compose stack: the same probes, and each rule is needed."""

import copy
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.deploy.k8s import kustomized, rules
from tests.deploy.k8s.schemas import Manifest
from tests.deploy.k8s.walls import Place, open_between
from tritext_serve.endpoint.isolation.matrix import Cell, Places, Probe, filtered_probes, probes

OUTSIDE, RESOLVER, PRIVATE = "203.0.113.7", "203.0.113.53", "10.60.5.4"
REACHED = ("open", "unauthorised", "404")
PUBLIC_PORT = 8443
PORTS = (53, 80, 443, 3128, 8000, 8001, 8002, 8003, 8080, PUBLIC_PORT, 9901, 9902)
# Everything that passes, over all pairs of which one is ours, all ports above and both protocols.
OPEN = {
    ("client", "ingress"): {8080},
    ("monitor", "ingress"): {9902},
    ("monitor", "egress"): {9902},
    ("monitor", "blue"): {8002, 8003},
    ("monitor", "green"): {8002, 8003},
    ("ingress", "blue"): {8000, 8001, 8003},
    ("ingress", "green"): {8000, 8001, 8003},
    ("ingress", "names"): {53},
    ("blue", "egress"): {3128},
    ("green", "egress"): {3128},
    ("egress", "names"): {53},
    ("egress", "outside"): {443},
    ("egress", "resolver"): {443},
}
DATAGRAMS = {("ingress", "names", 53), ("egress", "names", 53)}


# What one end may leave out unseen: the other end says it too. And the policy that refuses everything is for pods to
# come, as the others choose each pod that there is.
DOUBLED = {
    "triton: egress 0 without ('ports',)",
    "egress: ingress 0 without ('ports',)",
    "ingress: egress 0 without ('ports',)",
    "triton: ingress 0 without ('ports',)",
    "nothing: gone",
}
# A name of a port is whatever the other end calls so.
NAMED = {"http": 8000, "grpc": 8001, "health": 8003, "proxy": 3128}


def places(manifests: Sequence[Manifest]) -> dict[str, Place]:
    """Put everybody where a cluster has them: our pods as the manifests say, the others as their charts do."""
    found = {}
    for number, each in enumerate(rules.of(manifests, "Deployment")):
        named = {p["name"]: p["containerPort"] for c in rules.containers(each) for p in c.get("ports", [])}
        name = each["metadata"]["name"].removesuffix("-triton")
        around = {"kubernetes.io/metadata.name": "tritext"}
        found[name] = Place(name, f"10.244.1.{number + 1}", "tritext", rules.labels(each), around, named)
    others = {
        "client": ("shop", {}, {"tritext.dev/client": "true"}),
        "monitor": ("monitoring", {"app.kubernetes.io/name": "prometheus"}, {}),
        "names": ("kube-system", {"k8s-app": "kube-dns"}, {}),
        # Who has the right namespace or the right label alone is nobody.
        "desk": ("monitoring", {"app.kubernetes.io/name": "grafana"}, {}),
        "metrics": ("kube-system", {"k8s-app": "metrics-server"}, {}),
        "stranger": ("elsewhere", {"app.kubernetes.io/name": "prometheus", "k8s-app": "kube-dns"}, {}),
        "twin": ("elsewhere", {"app.kubernetes.io/name": "ingress"}, {}),
    }
    for number, (name, (namespace, own, around)) in enumerate(others.items()):
        full = around | {"kubernetes.io/metadata.name": namespace}
        found[name] = Place(name, f"10.244.2.{number + 1}", namespace, own, full, NAMED)
    beyond = {"outside": OUTSIDE, "resolver": RESOLVER, "private": PRIVATE}
    return found | {name: Place(name, address) for name, address in beyond.items()}


def passing(manifests: Sequence[Manifest]) -> set[tuple[str, str, int, str]]:
    """Try every pair, port and protocol."""
    policies, where = rules.of(manifests, "NetworkPolicy"), places(manifests).values()
    pairs = [
        (one, two) for one, two in product(where, where) if one != two and "tritext" in (one.namespace, two.namespace)
    ]
    return {
        (one.name, two.name, port, protocol)
        for one, two in pairs
        for port, protocol in product(PORTS, ("TCP", "UDP"))
        if open_between(policies, one, two, port, protocol)
    }


def expected(manifests: Sequence[Manifest], *, public: bool) -> set[tuple[str, str, int, str]]:
    """Give what is to pass."""
    streams = {(one, two, port, "TCP") for (one, two), ports in OPEN.items() for port in ports}
    if public:
        streams |= {
            (name, "ingress", PUBLIC_PORT, "TCP") for name, at in places(manifests).items() if at.namespace != "tritext"
        }
    return streams | {(*each, "UDP") for each in DATAGRAMS}


def private(built: Mapping[str, list[Manifest]]) -> list[Manifest]:
    """Take the public's way in out of the overlay that has everything."""
    return [each for each in built["full"] if each["metadata"]["name"] != "public"]


@pytest.mark.parametrize("public", [False, True])
def test_this_passes_and_nothing_else(built: Mapping[str, list[Manifest]], public: bool) -> None:
    manifests = built["full"] if public else private(built)
    assert passing(manifests) == expected(manifests, public=public)


@pytest.mark.parametrize("public", [False, True])
def test_the_probes_of_the_other_walls_come_to_the_same(built: Mapping[str, list[Manifest]], public: bool) -> None:
    """`up --isolate` and the compose stack are probed with this list; here the policies answer for the network."""
    manifests = built["full"] if public else private(built)
    opened, wrong = passing(manifests), []
    for probe, whom in asked(public):
        words = (probe.who, whom, probe.port, "UDP" if probe.kind == "dns" else "TCP")
        if (words in opened) != (probe.expected in REACHED):
            wrong.append(probe.name)
    assert wrong == []
    assert len(asked(public)) >= 25


def test_a_private_endpoint_is_let_in_as_the_document_says(tree: Path) -> None:
    """The patch of docs/kubernetes.md in an overlay: that address for the egress, and nothing more for anybody."""
    text = (kustomized.ROOT / "docs/kubernetes.md").read_text(encoding="utf-8")
    patch = textwrap.dedent(text.partition("```yaml\npatches:")[2].partition("```")[0])
    head = "resources: [../../base, ../../green]\ncomponents: [../../components/cpu]\n"
    manifests = kustomized.build(kustomized.overlay(tree, "by-private-endpoint", f"{head}patches:{patch}"))
    assert passing(manifests) == expected(manifests, public=False) | {("egress", "private", 443, "TCP")}


def asked(public: bool) -> list[tuple[Probe, str]]:
    """List the probes that a network decides, with whom each is for here; names are the egress' part."""
    cells = tuple(Cell(name, name, name, "egress") for name in ("blue", "green"))
    given = Places(
        "ingress", "ingress", PUBLIC_PORT, public, "ingress", cells, (), OUTSIDE, "", OUTSIDE, RESOLVER, "", "key"
    )  # fmt: skip
    known = {OUTSIDE: "outside", RESOLVER: "resolver"}
    listed = (*probes(given), *filtered_probes(given))
    return [(each, known.get(each.host, each.host)) for each in listed if each.expected in (*REACHED, "shut")]


def mutants(policies: list[Any]) -> Iterator[tuple[str, list[Any]]]:
    """Loosen or tighten each policy in every way: no peers, no ports, no exceptions, a rule or a policy gone."""
    for number, policy in enumerate(policies):
        yield f"{policy['metadata']['name']}: gone", policies[:number] + policies[number + 1 :]
        for way in ("ingress", "egress"):
            for position, rule in enumerate(policy["spec"].get(way, [])):
                for path in parts(rule):
                    copied = copy.deepcopy(policies)
                    place: Any = copied[number]["spec"][way]
                    for step in (position, *path)[:-1]:
                        place = place[step]
                    del place[(position, *path)[-1]]
                    yield f"{policy['metadata']['name']}: {way} {position} without {path or 'itself'}", copied


def parts(rule: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    """Name what can be taken out of a rule: all of it, its peers, its ports, one of either, a part of a peer."""
    yield ()
    for field, entries in rule.items():
        yield (field,)
        for position, entry in enumerate(entries):
            if len(entries) > 1:
                yield (field, position)
            if field != "ports" and len(entry) > 1:
                yield from ((field, position, part) for part in entry)
            if "except" in entry.get("ipBlock", {}):
                yield (field, position, "ipBlock", "except")


def test_each_part_of_each_policy_is_needed(built: Mapping[str, list[Manifest]]) -> None:
    manifests = private(built)
    others = [each for each in manifests if each["kind"] != "NetworkPolicy"]
    found = list(mutants(rules.of(manifests, "NetworkPolicy")))
    right = expected(manifests, public=False)
    unseen = [name for name, policies in found if passing([*others, *policies]) == right]
    assert set(unseen) == DOUBLED
    assert len(found) >= 40


def test_what_both_ends_say_is_seen_when_both_leave_it_out(built: Mapping[str, list[Manifest]]) -> None:
    manifests = private(built)
    policies = {each["metadata"]["name"]: copy.deepcopy(each) for each in rules.of(manifests, "NetworkPolicy")}
    others = [each for each in manifests if each["kind"] != "NetworkPolicy"]
    right = expected(manifests, public=False)
    for (one, out), (two, into) in (((("triton"), 0), ("egress", 0)), (("ingress", 0), ("triton", 0))):
        loosened = copy.deepcopy(policies)
        del loosened[one]["spec"]["egress"][out]["ports"]
        del loosened[two]["spec"]["ingress"][into]["ports"]
        assert passing([*others, *loosened.values()]) > right


def test_a_pod_that_no_policy_knows_reaches_nobody(built: Mapping[str, list[Manifest]]) -> None:
    manifests = private(built)
    new = Place("new", "10.244.1.99", "tritext", {"app": "new"}, {"kubernetes.io/metadata.name": "tritext"})
    policies, where = rules.of(manifests, "NetworkPolicy"), places(manifests)
    assert not any(open_between(policies, new, each, port) for each in where.values() for port in PORTS)
    assert not any(open_between(policies, each, new, port) for each in where.values() for port in PORTS)


ANYBODY = st.builds(
    Place,
    st.just("somebody"),
    st.ip_addresses(v=4).map(str),
    st.sampled_from(["", "tritext", "elsewhere"]),
    st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from(["1", "2"])),
)


@given(ANYBODY, ANYBODY, st.integers(1, 65535))
def test_without_policies_everything_is_open_and_with_an_empty_one_nothing_of_its_namespace(
    source: Place, target: Place, port: int
) -> None:
    shut: Manifest = {
        "metadata": {"namespace": "tritext"},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
    }
    assert open_between([], source, target, port)
    assert open_between([shut], source, target, port) is not ("tritext" in (source.namespace, target.namespace))
