"""The rules of traffic and mirroring, for every wish."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tritext_serve.endpoint.files import check_mirror, check_traffic
from tritext_serve.endpoint.model import Deployment, Endpoint

NAMES = ("blue", "green", "red")
ENDPOINT = Endpoint(
    "films", deployments={name: Deployment(name, "films", Path("repository"), "sentiment") for name in NAMES}
)
# Near the edges of what is allowed, and beyond.
SHARES = st.one_of(st.sampled_from([-1, 0, 1, 10, 40, 50, 51, 90, 99, 100, 101]), st.integers(-200, 200))
WISHES = st.dictionaries(st.sampled_from((*NAMES, "grey")), SHARES, max_size=4)


def allowed(wish: dict[str, int], most: int) -> bool:
    """Whether each share of a wish may be, whatever the others are."""
    return all(name in NAMES and 0 <= share <= most for name, share in wish.items())


@settings(deadline=None)
@given(traffic=WISHES, mirror=WISHES)
def test_traffic_is_taken_if_it_sums_to_all_or_nothing_and_no_mirror_is_live(
    traffic: dict[str, int], mirror: dict[str, int]
) -> None:
    both = any(share and mirror.get(name) for name, share in traffic.items())
    fine = allowed(traffic, 100) and sum(traffic.values()) in (0, 100) and not both
    assert (check_traffic(replace(ENDPOINT, mirror_traffic=mirror), traffic) == []) == fine


@settings(deadline=None)
@given(traffic=WISHES, mirror=WISHES)
def test_a_mirror_is_taken_if_it_goes_to_one_that_is_not_live(traffic: dict[str, int], mirror: dict[str, int]) -> None:
    both = any(share and traffic.get(name) for name, share in mirror.items())
    fine = allowed(mirror, 50) and sum(share != 0 for share in mirror.values()) <= 1 and not both
    assert (check_mirror(replace(ENDPOINT, traffic=traffic), mirror) == []) == fine


@settings(deadline=None)
@given(traffic=WISHES, mirror=WISHES)
def test_traffic_beside_a_mirror_and_a_mirror_beside_traffic_are_one_rule(
    traffic: dict[str, int], mirror: dict[str, int]
) -> None:
    """Whatever order two verbs come in, the endpoint that results is the same."""
    one = check_traffic(ENDPOINT, traffic) or check_mirror(replace(ENDPOINT, traffic=traffic), mirror)
    other = check_mirror(ENDPOINT, mirror) or check_traffic(replace(ENDPOINT, mirror_traffic=mirror), traffic)
    assert bool(one) == bool(other)


@pytest.mark.parametrize(
    ("traffic", "said"),
    [
        ({"blue": 60}, "traffic: sums to 60: let the deployments' shares sum to 100, or to 0"),
        ({"blue": 90, "grey": 10}, "traffic.grey: endpoint 'films' has no such deployment: deployments are: blue,"),
        ({"blue": 150}, "traffic.blue: is 150: give a whole number of per cent from 0 to 100"),
    ],
)  # fmt: skip
def test_a_sentence_names_the_deployment_and_the_remedy(traffic: dict[str, int], said: str) -> None:
    assert any(sentence.startswith(said) for sentence in check_traffic(ENDPOINT, traffic))


def test_all_traffic_may_be_taken_away() -> None:
    assert check_traffic(ENDPOINT, {}) == check_traffic(ENDPOINT, {"blue": 0}) == check_mirror(ENDPOINT, {}) == []


def test_truth_is_no_share() -> None:
    assert check_traffic(ENDPOINT, {"blue": True}) == [
        "traffic.blue: is True: give a whole number of per cent from 0 to 100"
    ]
