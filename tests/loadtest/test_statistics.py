"""Figures from numbers, held against the standard library's and by definition."""

import statistics

from hypothesis import given
from hypothesis import strategies as st

from tritext_loadtest.statistics import median, percentile

values = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200)


@given(values)
def test_the_median_is_the_standard_librarys(values: list[float]) -> None:
    assert median(values) == statistics.median(values)


@given(values, st.floats(0.001, 1))
def test_a_percentile_is_the_smallest_value_that_covers_its_share(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(v <= found for v in values) >= share * len(values) - 1e-9
    smaller = [v for v in values if v < found]
    assert len(smaller) < share * len(values) + 1e-9


def test_known_percentiles() -> None:
    assert percentile([4.0, 1.0, 3.0, 2.0], 0.5) == 2.0
    assert percentile([float(i) for i in range(1, 101)], 0.99) == 99.0
    assert percentile([7.0], 0.01) == 7.0
