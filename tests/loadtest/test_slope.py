"""The slope of a process's memory: exact on a line, unmoved by where it stands, sure of itself as it should be."""

import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tritext_loadtest.memory import came_and_went, growths, worst_slope
from tritext_loadtest.slope import fit
from tritext_loadtest.watch import Process, Sample

XS = [i / 10 for i in range(30)]


@given(st.floats(-100, 100), st.floats(-1000, 1000))
def test_a_line_is_found_again(slope: float, start: float) -> None:
    found = fit(XS, [start + slope * x for x in XS])
    assert found is not None
    assert found.value == pytest.approx(slope, abs=1e-6)
    assert found.margin == pytest.approx(0, abs=1e-6)


@given(st.lists(st.floats(-100, 100), min_size=10, max_size=40))
def test_the_slope_is_the_standard_librarys(ys: list[float]) -> None:
    xs = [float(i) for i in range(len(ys))]
    found = fit(xs, ys)
    assert found is not None
    assert found.value == pytest.approx(statistics.linear_regression(xs, ys).slope, abs=1e-6)


def test_nineteen_of_twenty_intervals_hold_the_truth() -> None:
    chance, held = random.Random(1), 0
    for _ in range(1000):
        found = fit(XS[:12], [2 * x + chance.gauss(0, 1) for x in XS[:12]])
        held += found is not None and abs(found.value - 2) <= found.margin
    assert 925 <= held <= 975


def test_too_few_points_or_all_at_one_place_make_no_line() -> None:
    assert fit(XS[:9], XS[:9]) is None
    assert fit([1.0] * 20, XS[:20]) is None


def sample(second: int, *processes: tuple[int, float]) -> Sample:
    """A hundred thousand texts a second, and some processes with their memory."""
    found = tuple(Process(pid, "stub", rss, 7, pid) for pid, rss in processes)
    return Sample(float(second), 100_000 * second, {}, found)


def test_growth_is_told_by_process_after_it_has_settled() -> None:
    samples = [sample(i, (1, 100.0), (2, 50.0 + (300 if i >= 5 else 60 * i) + 3 * i)) for i in range(21)]
    flat, leaking = growths(samples)
    assert flat.slope is not None
    assert flat.slope.value == pytest.approx(0)
    assert leaking.slope is not None
    assert leaking.slope.value == pytest.approx(3)
    assert leaking.rss == (50.0, 410.0)
    assert (leaking.files, leaking.regions) == ((7, 7), (2, 2))
    assert worst_slope((flat, leaking)) == pytest.approx(3)


def test_a_process_that_died_is_counted_and_not_fitted() -> None:
    samples = [sample(0, (1, 1.0), (2, 1.0)), sample(1, (1, 1.0), (3, 1.0))]
    assert [growth.pid for growth in growths(samples)] == [1]
    assert came_and_went(samples) == 2
    assert worst_slope(growths(samples)) is None


def test_nothing_to_see_is_no_growth() -> None:
    assert growths([]) == growths([sample(0), sample(1)]) == ()
    assert came_and_went([]) == came_and_went([sample(0, (1, 1.0))]) == 0
