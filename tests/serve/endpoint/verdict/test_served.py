"""Errors and latencies out of Envoy's own statistics, between two looks."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tritext_serve.endpoint.verdict.served import Served, parse, read_served
from tritext_serve.errors import EndpointError

PAGE = {
    "stats": [
        {"name": "cluster.blue.upstream_rq_completed", "value": 90},
        {"name": "cluster.blue_grpc.upstream_rq_completed", "value": 10},
        {"name": "cluster.blue.upstream_rq_5xx", "value": 3},
        {"name": "cluster.blue.upstream_rq_timeout", "value": 7},
        {"name": "cluster.envoy_admin.upstream_rq_total", "value": 7},
        {
            "histograms": {
                "details": [
                    {"name": "cluster.blue.upstream_rq_time", "totals": [{"lower_bound": 1, "width": 1, "count": 90}]},
                    {"name": "cluster.blue.external.upstream_rq_time", "totals": [
                        {"lower_bound": 1, "width": 1, "count": 1}]},
                    {"name": "cluster.blue_grpc.upstream_rq_time", "totals": [
                        {"lower_bound": 1, "width": 1, "count": 5}, {"lower_bound": 30, "width": 10, "count": 5}]},
                ]
            }
        },
    ]
}  # fmt: skip
times = st.dictionaries(st.sampled_from([1.0, 2.0, 5.0, 10.0, 100.0]), st.integers(1, 100), min_size=1)


def test_both_clusters_of_a_deployment_are_added_up() -> None:
    assert parse(PAGE) == {"blue": Served(100, 3, {2.0: 95, 40.0: 5})}


def test_a_quantile_is_the_end_of_its_interval() -> None:
    served = parse(PAGE)["blue"]
    assert [served.quantile(part) for part in (0.5, 0.95, 0.96, 1.0)] == [2.0, 2.0, 40.0, 40.0]
    assert Served().quantile(0.99) == 0.0


@given(times, times)
def test_what_came_between_two_looks_is_what_is_judged(first: dict[float, int], then: dict[float, int]) -> None:
    earlier = Served(sum(first.values()), 1, first)
    both = {bound: first.get(bound, 0) + then.get(bound, 0) for bound in first | then}
    later = Served(sum(both.values()), 3, both)
    assert later.since(earlier) == Served(sum(then.values()), 2, then)
    assert Served.read(later.described()) == later


def test_an_envoy_that_began_anew_counts_from_nought() -> None:
    assert Served(5, 0, {1.0: 5}).since(Served(100, 3, {1.0: 100})) == Served(5, 0, {1.0: 5})


def test_an_edge_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    with pytest.raises(EndpointError, match=rf"^{path}: the edge does not say how it fares: .*No such file"):
        read_served(path)
