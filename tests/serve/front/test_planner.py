"""The plan's invariants: every text once, under the budget, little padding."""

import time
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tritext_serve.front import planner
from tritext_serve.front.planner import CPU_COSTS, Costs, fullest_cuts, measure, padding, plan

lengths = st.lists(st.integers(2, 512), max_size=200)
few_lengths = st.lists(st.integers(1, 60), min_size=1, max_size=9)
costs = st.builds(Costs, *[st.floats(0, 2000), st.floats(0, 100), st.floats(0, 100), st.floats(0, 1)], st.booleans())
PACKED = Costs(packed=True)


def cost(lengths: list[int], batches: list[planner.IndexArray], of: Costs) -> float:
    """What running the batches takes, by the formula itself."""
    total = 0.0
    for batch in batches:
        longest = max(lengths[i] for i in batch)
        total += of.call + len(batch) * (of.text + of.pair * longest**2)
        total += of.token * (sum(lengths[i] for i in batch) if of.packed else len(batch) * longest)
    return total


def span(costs: list[float], lanes: int) -> float:
    """When the last lane ends, each taking the next sub-batch as soon as it is free."""
    ends = [0.0] * lanes
    for each in costs:
        ends[ends.index(min(ends))] += each
    return max(ends)


@given(lengths, st.integers(1, 2000), st.integers(1, 64))
def test_every_text_runs_exactly_once(lengths: list[int], max_tokens: int, max_texts: int) -> None:
    batches = plan(lengths, max_tokens, max_texts)
    assert sorted(int(i) for batch in batches for i in batch) == list(range(len(lengths)))


@given(lengths, st.integers(1, 2000), st.integers(1, 64))
def test_a_sub_batch_keeps_to_the_budget_unless_one_text_alone_exceeds_it(
    lengths: list[int], max_tokens: int, max_texts: int
) -> None:
    for batch in plan(lengths, max_tokens, max_texts):
        padded = len(batch) * max(lengths[i] for i in batch)
        assert len(batch) <= max_texts
        assert padded <= max_tokens or len(batch) == 1


@given(lengths)
def test_lengths_never_fall_and_equals_keep_their_order(lengths: list[int]) -> None:
    order = [int(i) for batch in plan(lengths, 384, 64) for i in batch]
    assert order == sorted(range(len(lengths)), key=lambda i: (lengths[i], i))


@given(lengths, st.integers(1, 2000))
def test_padding_is_what_the_batches_compute_beyond_the_texts(lengths: list[int], max_tokens: int) -> None:
    batches = plan(lengths, max_tokens, 64)
    computed = sum(len(batch) * max(lengths[i] for i in batch) for batch in batches)
    assert padding(lengths, batches) == computed - sum(lengths) >= 0


@given(lengths, st.integers(1, 2000), st.integers(1, 64), costs, st.integers(1, 4))
def test_limits_hold_whatever_it_costs_and_however_many_lanes(
    lengths: list[int], max_tokens: int, max_texts: int, of: Costs, lanes: int
) -> None:
    batches = plan(lengths, max_tokens, max_texts, of, lanes)
    assert sorted(int(i) for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) <= max_texts
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= max_tokens
        assert [(lengths[i], i) for i in batch] == sorted((lengths[i], i) for i in batch)


@given(lengths.filter(bool), st.integers(1, 2000), st.integers(1, 64), costs)
def test_a_plan_is_never_costlier_than_filling_the_budget(
    lengths: list[int], max_tokens: int, max_texts: int, of: Costs
) -> None:
    order = np.argsort(lengths, kind="stable")
    cuts = fullest_cuts(measure(sorted(lengths), max_tokens, max_texts, of))
    filled = [order[start:end] for start, end in pairwise(cuts)]
    assert cost(lengths, plan(lengths, max_tokens, max_texts, of), of) <= cost(lengths, filled, of) * (1 + 1e-9)


@given(few_lengths, st.integers(1, 200), st.integers(1, 5), costs)
def test_no_other_way_to_cut_costs_less(lengths: list[int], max_tokens: int, max_texts: int, of: Costs) -> None:
    order = np.argsort(lengths, kind="stable")
    least = np.inf
    for mask in range(1 << (len(lengths) - 1)):
        cuts = [0, *(i + 1 for i in range(len(lengths) - 1) if mask >> i & 1), len(lengths)]
        batches = [order[start:end] for start, end in pairwise(cuts)]
        sizes = [(len(batch), max(lengths[i] for i in batch)) for batch in batches]
        if all(n == 1 or (n <= max_texts and n * longest <= max_tokens) for n, longest in sizes):
            least = min(least, cost(lengths, batches, of))
    assert cost(lengths, plan(lengths, max_tokens, max_texts, of), of) == pytest.approx(least, rel=1e-9)


@given(lengths.filter(bool), costs, st.integers(2, 4))
def test_lanes_add_little_cost_and_the_costliest_comes_first(lengths: list[int], of: Costs, lanes: int) -> None:
    alone = cost(lengths, plan(lengths, 384, 64, of), of)
    batches = plan(lengths, 384, 64, of, lanes)
    assert cost(lengths, batches, of) <= alone * (1 + planner.LANE_SHARE) * (1 + 1e-9)
    each = [cost(lengths, [batch], of) for batch in batches]
    assert each == sorted(each, reverse=True)


def test_two_lanes_share_a_batch_that_one_would_run_whole() -> None:
    assert [len(batch) for batch in plan([25] * 12, 384, 64)] == [12]
    assert [len(batch) for batch in plan([25] * 12, 384, 64, lanes=2)] == [6, 6]
    assert [len(batch) for batch in plan([25] * 2, 384, 64, lanes=2)] == [2], "a second call would cost a fifth more"


@pytest.mark.parametrize("seed", range(8))
def test_two_lanes_end_together_where_padding_costs_little(seed: int) -> None:
    lengths = np.random.default_rng(seed).normal(25, 10, 16).clip(4, 60).astype(int).tolist()
    batches = plan(lengths, 2048, 64, PACKED, lanes=2)
    longer, shorter = (cost(lengths, [batch], PACKED) for batch in batches)
    assert longer <= 1.2 * shorter


@given(lengths.filter(bool), costs)
def test_a_call_is_estimated_by_the_formula(lengths: list[int], of: Costs) -> None:
    assert of.of(lengths) == pytest.approx(cost(lengths, [np.arange(len(lengths))], of))


@given(lengths.filter(bool), costs, st.integers(1, 4))
def test_more_lanes_never_make_the_batch_end_later(lengths: list[int], of: Costs, lanes: int) -> None:
    shared = [cost(lengths, [batch], of) for batch in plan(lengths, 384, 64, of, lanes)]
    cheapest = sorted((cost(lengths, [batch], of) for batch in plan(lengths, 384, 64, of)), reverse=True)
    assert span(shared, lanes) <= span(cheapest, lanes) * (1 + 1e-9)


def test_a_packed_graph_takes_texts_together_that_another_would_take_apart() -> None:
    assert [len(batch) for batch in plan([8, 9, 20, 21, 60], 2048, 64)] == [2, 2, 1]
    assert [len(batch) for batch in plan([8, 9, 20, 21, 60], 2048, 64, PACKED)] == [4, 1]


@pytest.mark.parametrize("count", [16, 32, 64])
def test_mixed_lengths_are_hardly_padded(count: int) -> None:
    random = np.random.default_rng(0)
    computed = real = 0
    for _ in range(40):
        short = random.normal(25, 6, count).clip(4)
        mixed = np.where(random.random(count) < 0.8, short, random.normal(180, 30, count)).astype(int).tolist()
        real += sum(mixed)
        computed += sum(mixed) + padding(mixed, plan(mixed, 384, 64))
    assert computed / real <= 1.05  # asked for: 1.15


@pytest.mark.parametrize("count", [planner.MOST_PLANNED, planner.MOST_PLANNED + 1])
def test_thousands_of_texts_are_planned_in_milliseconds(count: int) -> None:
    started = time.process_time()
    batches = plan([25 + i % 40 for i in range(count)], 384, 64)
    assert sum(map(len, batches)) == count
    assert time.process_time() - started < 0.5  # a tenth of that where nothing else runs


def test_one_long_text_does_not_pad_its_neighbours() -> None:
    assert [batch.tolist() for batch in plan([20, 120, 20, 22], 384, 64)] == [[0, 2, 3], [1]]


def test_the_defaults_are_microseconds_of_a_whole_call() -> None:
    assert cost([25] * 16, plan([25] * 16, 400, 64), CPU_COSTS) == pytest.approx(27_000, rel=0.05)


def test_there_are_no_more_sub_batches_than_it_takes() -> None:
    assert sorted(len(batch) for batch in plan([4] * 7, max_tokens=12, max_texts=8)) == [1, 3, 3]


def test_no_texts_make_no_batches() -> None:
    assert plan([], 384, 64) == []


def test_texts_that_are_not_run_have_no_padding() -> None:
    assert padding([5, 128, 7], [np.array([0, 2])]) == 2
