"""What becomes of an endpoint's traffic and mirror, whatever it is told to be."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tritext_serve.endpoint.files.traffic import check_mirror, check_traffic
from tritext_serve.endpoint.model import Deployment, Endpoint, Network
from tritext_serve.endpoint.supervisor.changes import Shares, check_seen, keep_split, split
from tritext_serve.errors import EndpointError

NAMES = ("blue", "green", "red", "grey")
SUBSETS = st.lists(st.sampled_from(NAMES), unique=True)
SHARES = st.dictionaries(st.sampled_from(NAMES), st.integers(-1, 101), max_size=3)


def endpoint(names: Sequence[str], traffic: Shares | None = None, mirror: Shares | None = None) -> Endpoint:
    """Some deployments and how they share requests."""
    deployments = {name: Deployment(name, "films", Path("repository"), "sentiment") for name in names}
    return Endpoint("films", traffic=traffic or {}, mirror_traffic=mirror or {}, deployments=deployments)


@st.composite
def endpoints(draw: st.DrawFn) -> Endpoint:
    """Draw endpoints that the rules allow, also with deployments of no share, named or not."""
    names = draw(SUBSETS)
    live, rest = draw(st.integers(0, 2)), 100
    traffic: dict[str, int] = {}
    for name in names[:live]:
        traffic[name] = draw(st.integers(0, rest)) if name != names[:live][-1] else rest
        rest -= traffic[name]
    others = [name for name in names if not traffic.get(name)]
    traffic |= dict.fromkeys(draw(st.lists(st.sampled_from(others), unique=True)) if others else [], 0)
    mirrored = draw(st.sampled_from([*others, ""]))
    mirror = {mirrored: draw(st.integers(0, 50))} if mirrored else {}
    return endpoint(names, traffic, mirror)


def shares(of: Endpoint) -> tuple[dict[str, int], dict[str, int]]:
    """Who has a share of the traffic, and of the mirror."""
    return (
        {name: share for name, share in of.traffic.items() if share},
        {name: share for name, share in of.mirror_traffic.items() if share},
    )


@settings(deadline=None)
@given(now=endpoints(), wanted=endpoints())
def test_a_kept_split_is_the_same_and_allowed_or_else_refused(now: Endpoint, wanted: Endpoint) -> None:
    """Whoever has a share keeps it to the per cent, or nothing changes; the rest is what was wanted."""
    gone = {name for each in shares(now) for name in each} - {*wanted.deployments}
    if gone:
        with pytest.raises(EndpointError) as refused:
            keep_split(now, wanted)
        assert all(f"traffic.{name}: " in str(refused.value) for name in gone)
        return
    kept = keep_split(now, wanted)
    assert shares(kept) == shares(now)
    assert sum(kept.traffic.values()) == sum(now.traffic.values())
    assert check_traffic(kept, kept.traffic) == check_mirror(kept, kept.mirror_traffic) == []
    assert replace(kept, traffic=wanted.traffic, mirror_traffic=wanted.mirror_traffic) == wanted


@settings(deadline=None)
@given(now=endpoints())
def test_an_endpoint_that_becomes_what_it_is_is_what_it_was(now: Endpoint) -> None:
    assert keep_split(now, now) == now


def test_who_is_new_gets_nothing_and_all_else_is_taken() -> None:
    now, network = endpoint(["blue"], {"blue": 100}), Network("allow_only_approved_outbound")
    wanted = replace(endpoint(["blue", "green"], {"green": 100}), network=network, public_network_access="disabled")
    assert keep_split(now, wanted) == replace(wanted, traffic={"blue": 100})


@pytest.mark.parametrize(
    ("traffic", "mirror", "said"),
    [
        ({"blue": 90, "green": 10}, {}, "traffic.green: has 10 % and is in none .* first give its share to others"),
        ({"blue": 100}, {"green": 10}, "mirror_traffic.green: gets 10 % of .* first end that with .*mirror off"),
    ],
)  # fmt: skip
def test_who_has_a_share_does_not_leave_unnoticed(traffic: Shares, mirror: Shares, said: str) -> None:
    with pytest.raises(EndpointError, match=said):
        keep_split(endpoint(["blue", "green"], traffic, mirror), endpoint(["blue"], {"blue": 100}))


@settings(deadline=None)
@given(now=endpoints(), traffic=st.none() | SHARES, mirror=st.none() | SHARES)
def test_a_split_is_taken_whole_and_allowed_or_not_at_all(
    now: Endpoint, traffic: Shares | None, mirror: Shares | None
) -> None:
    wanted = replace(
        now,
        traffic=now.traffic if traffic is None else traffic,
        mirror_traffic=now.mirror_traffic if mirror is None else mirror,
    )
    allowed = not (check_traffic(wanted, wanted.traffic) or check_mirror(wanted, wanted.mirror_traffic))
    if allowed:
        assert split(now, traffic, mirror) == wanted
    else:
        with pytest.raises(EndpointError):
            split(now, traffic, mirror)


def test_a_candidate_goes_from_mirrored_to_live_at_once_and_back() -> None:
    mirrored = endpoint(["blue", "green"], {"blue": 100}, {"green": 10})
    live = split(mirrored, {"blue": 75, "green": 25}, {})
    assert shares(live) == ({"blue": 75, "green": 25}, {})
    assert split(live, {"blue": 100}, {"green": 10}) == mirrored
    with pytest.raises(EndpointError, match="live and mirrored at once"):
        split(mirrored, {"blue": 75, "green": 25})


def test_what_was_decided_before_the_latest_change_is_refused() -> None:
    check_seen(3, 3)
    check_seen(3, None)
    with pytest.raises(EndpointError, match=r"was changed meanwhile \(change 3, seen was 2\)"):
        check_seen(3, 2)
