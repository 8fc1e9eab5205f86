"""The schedule: the rate that was asked for, at the moments that a seed decides, whatever the phases."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tritext_loadtest.errors import ScenarioError
from tritext_loadtest.scenarios import SCENARIOS, SPIKE_FACTOR, Phase, Scenario
from tritext_loadtest.schedule import Draw, arrivals, moments

rates = st.floats(0, 200)
phases = st.lists(
    st.builds(Phase, st.floats(0.1, 10), rates, rates).filter(lambda p: p.start + p.end > 0), min_size=1, max_size=4
)
ONE_TEXT = ((1, 1.0),)


@given(phases, st.integers(0, 1000))
def test_moments_ascend_within_the_run_and_repeat_with_the_seed(run: list[Phase], seed: int) -> None:
    found = list(moments(run, seed))
    assert found == sorted(found)
    assert all(0 <= moment <= sum(phase.seconds for phase in run) + 1e-9 for moment in found)
    assert found == list(moments(run, seed))


@given(phases, st.integers(0, 1000))
def test_as_many_moments_as_a_poisson_process_has(run: list[Phase], seed: int) -> None:
    due = sum(phase.texts for phase in run)
    assert abs(len(list(moments(run, seed))) - due) <= 6 * math.sqrt(due) + 6


def test_the_gaps_of_a_steady_run_are_exponential() -> None:
    found = list(moments([Phase(2000, 10, 10)], 3))
    gaps = sorted(b - a for a, b in itertools.pairwise(found))
    for share in (0.1, 0.5, 0.9, 0.99):
        assert gaps[int(share * len(gaps))] == pytest.approx(-math.log(1 - share) / 10, rel=0.1)


def test_a_ramp_sends_a_quarter_in_its_first_half() -> None:
    found = list(moments([Phase(100, 0, 200)], 1))
    assert sum(moment < 50 for moment in found) / len(found) == pytest.approx(0.25, abs=0.02)


@given(st.integers(1, 50), st.integers(0, 9), st.integers(1, 3), st.integers(0, 99))
def test_texts_and_addresses_are_those_that_there_are(usual: int, long: int, targets: int, seed: int) -> None:
    draw = Draw(usual, long, 0.5, ((1, 0.5), (4, 0.5)), targets)
    found = list(arrivals([Phase(2, 60, 60)], draw, seed))
    assert all(0 <= item < usual + long for arrival in found for item in arrival.items)
    assert {len(arrival.items) for arrival in found} <= {1, 4}
    assert [arrival.target for arrival in found] == [i % targets for i in range(len(found))]


def test_the_rate_is_that_of_texts_whatever_a_request_holds() -> None:
    found = list(arrivals([Phase(60, 100, 100)], Draw(10, 0, 0.0, ((1, 0.5), (31, 0.5)), 1), 1))
    assert sum(len(arrival.items) for arrival in found) == pytest.approx(6000, rel=0.1)


def test_a_fifth_of_the_texts_of_mixed_lengths_is_long() -> None:
    scenario = SCENARIOS["mixed-lengths"]
    found = list(arrivals(scenario.phases(100, 60), Draw(10, 5, scenario.long_share, ONE_TEXT, 1), 1))
    assert sum(arrival.items[0] >= 10 for arrival in found) / len(found) == pytest.approx(0.2, abs=0.03)


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda s: s.name)
def test_a_scenario_lasts_as_long_as_it_is_told_to(scenario: Scenario) -> None:
    found = scenario.phases(10, 50)
    assert sum(phase.seconds for phase in found) == pytest.approx(50)
    assert sum(share for _, share in scenario.batches) == 1


def test_a_spike_is_in_the_middle() -> None:
    before, spike, after = SCENARIOS["spike"].phases(10, 50)
    assert (before, after) == (Phase(20, 10, 10), Phase(20, 10, 10))
    assert spike == Phase(10, 10 * SPIKE_FACTOR, 10 * SPIKE_FACTOR)


def test_a_run_that_would_never_end_is_refused() -> None:
    with pytest.raises(ScenarioError, match=r"1e\+09 texts a second .* lower --rate"):
        SCENARIOS["steady"].phases(1e9, 60)
