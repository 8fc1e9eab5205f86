"""Envoy's files as texts: whatever an endpoint is, Envoy takes them, and shares add up."""

import json
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tritext_serve.endpoint.edge import Edge, Limits, Listener, Tracing, render
from tritext_serve.endpoint.edge.clusters import in_flight
from tritext_serve.endpoint.edge.files import write
from tritext_serve.endpoint.edge.process import validate
from tritext_serve.endpoint.edge.refusals import BY_GRPC, BY_STATUS, REFUSALS, SAID
from tritext_serve.endpoint.edge.replies import OWN
from tritext_serve.endpoint.edge.routes import shares
from tritext_serve.endpoint.model import Deployment, Endpoint, RequestSettings, Upstream
from tritext_serve.errors import StartError

DOCUMENT = Path(__file__).parents[4] / "docs" / "endpoint-edge.md"
NAMES = st.from_regex(r"[a-z][a-z0-9]{1,8}(-[a-z0-9]{1,4})?", fullmatch=True)


@st.composite
def traffics(draw: st.DrawFn, names: list[str]) -> dict[str, int]:
    """Weights that are all 0 or add up to 100."""
    cuts = sorted(draw(st.lists(st.integers(0, 100), min_size=len(names) - 1, max_size=len(names) - 1)))
    weights = [high - low for low, high in pairwise([0, *cuts, 100])]
    return {} if draw(st.booleans()) and draw(st.booleans()) else dict(zip(names, weights, strict=True))


@st.composite
def edges(draw: st.DrawFn) -> Edge:
    """Any edge that the files' rules allow."""
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    traffic = draw(traffics(names))
    deployments, upstreams = {}, []
    for name in names:
        count = draw(st.integers(1, 3))
        limits = RequestSettings(draw(st.integers(1, 180_000)), draw(st.none() | st.integers(1, 500)))
        variants = draw(st.dictionaries(NAMES, NAMES, max_size=2))
        model = draw(NAMES)
        deployments[name] = Deployment(
            name, "e", Path("m"), model, instance_count=count, request_settings=limits, variants=variants
        )
        upstreams += [Upstream(name, "127.0.0.1", 7001, 7002, 7003, number=number) for number in range(count)]
    idle = [name for name in names if not traffic.get(name)]
    mirror = {idle[0]: draw(st.integers(0, 50))} if idle else {}
    endpoint = Endpoint("e", traffic=traffic, mirror_traffic=mirror, deployments=deployments)
    limits_of_edge = Limits(requests_per_second=draw(st.none() | st.integers(1, 1000)))
    keys = draw(st.dictionaries(NAMES, st.text("abcdefXYZ0123-_", min_size=20, max_size=60), max_size=3))
    return Edge(endpoint, tuple(upstreams), keys, (Listener("127.0.0.1", 7004),), 7005, limits_of_edge)


def example(**more: Any) -> Edge:
    """An edge with two deployments."""
    both = {name: Deployment(name, "e", Path("m"), "sentiment") for name in ("blue", "green")}
    endpoint = Endpoint("e", traffic={"blue": 90, "green": 10}, deployments=both)
    upstreams = tuple(Upstream(name, "127.0.0.1", 7001, 7002, 7003) for name in both)
    return replace(Edge(endpoint, upstreams, {"primary": "p" * 40}, (Listener("127.0.0.1", 7004),), 7005), **more)


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(edge=edges())
def test_envoy_takes_whatever_an_endpoint_is(edge: Edge, tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("any")
    write(directory, render(edge))
    validate(directory)


@settings(max_examples=30)
@given(edge=edges())
def test_shares_rise_to_a_hundred_and_each_is_its_weight(edge: Edge) -> None:
    traffic = edge.endpoint.traffic
    drawn = shares(traffic)
    widths = [high - low for (_, high), low in zip(drawn, [0, *(high for _, high in drawn)], strict=False)]
    assert [name for name, _ in drawn] == [name for name, weight in traffic.items() if weight]
    assert widths == [weight for weight in traffic.values() if weight]
    assert not drawn or drawn[-1][1] == 100


@settings(max_examples=30, deadline=None)
@given(edge=edges())
def test_every_route_goes_to_a_cluster_that_there_is(edge: Edge) -> None:
    files = render(edge)
    clusters = {cluster["name"] for cluster in json.loads(files["cds.json"])["resources"]}
    (table,) = json.loads(files["rds.json"])["resources"]
    routes = table["virtual_hosts"][0]["routes"]
    named = {route["route"]["cluster"] for route in routes if "route" in route}
    mirrors = {m["cluster"] for r in routes if "route" in r for m in r["route"].get("request_mirror_policies", [])}
    assert named | mirrors <= clusters
    assert routes[-1]["match"] == {"prefix": "/"}


def test_only_untargeted_requests_are_mirrored() -> None:
    edge = example()
    endpoint = replace(edge.endpoint, traffic={"blue": 100}, mirror_traffic={"green": 20})
    (table,) = json.loads(render(replace(edge, endpoint=endpoint))["rds.json"])["resources"]
    for route in table["virtual_hosts"][0]["routes"]:
        if "request_mirror_policies" in route.get("route", {}):
            assert all(header["name"] == ":method" for header in route["match"]["headers"])


def test_keys_stand_in_one_file_alone() -> None:
    files = render(example())
    assert [name for name, text in files.items() if "p" * 40 in text] == ["rds.json"]


def test_twice_what_an_instance_works_on_may_be_in_flight() -> None:
    limited = Deployment("b", "e", Path("m"), "m", instance_count=3, request_settings=RequestSettings(1000, 4))
    assert in_flight(limited) == 24


def test_names_of_hosts_are_resolved_and_traces_have_a_collector(tmp_path: Path) -> None:
    upstream = Upstream("blue", "blue.internal", 8000, 8001, 8080)
    edge = example(tracing=Tracing("collector.internal", sampling=10))
    write(tmp_path, render(replace(edge, upstreams=(upstream, *edge.upstreams[1:]))))
    validate(tmp_path)
    kinds = {each["name"]: each["type"] for each in json.loads((tmp_path / "cds.json").read_text())["resources"]}
    assert (kinds["blue"], kinds["green"], kinds["otlp_collector"]) == ("STRICT_DNS", "STATIC", "STRICT_DNS")


def test_what_envoy_would_not_take_is_refused_with_its_reason(tmp_path: Path) -> None:
    files = render(example())
    write(tmp_path, files | {"rds.json": files["rds.json"].replace('"/predict"', '"predict", "wrong": 1', 1)})
    with pytest.raises(StartError, match="wrong"):
        validate(tmp_path)


def test_every_code_that_is_named_is_in_the_table() -> None:
    named = (
        {code for _, _, code in OWN} | {said.code for said in SAID} | set(BY_STATUS.values()) | set(BY_GRPC.values())
    )
    lua = "".join(path.read_text() for path in (Path(render.__code__.co_filename).parent / "lua").glob("*.lua"))
    named |= set(re.findall(r'(?:fail\(\w+, |return |return nil, |, )"([a-z_]+[a-z0-9_]*)"\)?$', lua, re.MULTILINE))
    assert named <= set(REFUSALS)


def test_the_documents_table_is_the_table() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| (\d+) \| (.*?) \| ?(yes)? ?\|$", DOCUMENT.read_text(), re.MULTILINE)
    told = {code: (int(status), int(grpc), message, bool(retry)) for code, status, grpc, message, retry in rows}
    assert told == {code: (r.status, r.grpc, r.message, r.retry) for code, r in REFUSALS.items()}
