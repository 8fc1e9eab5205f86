"""The figures of the key timing: what is the same, what is later, and that keys are as wrong as is meant."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import key_timing

KEY = "k" * key_timing.KEY_CHARACTERS


def test_the_same_times_tell_nothing() -> None:
    times = np.arange(1000)
    told = key_timing.difference(times, times)
    assert (told.later, told.deviations, told.quick_ns) == (0.5, 0.0, 0.0)
    assert told.interval_ns[0] < 0 < told.interval_ns[1]


def test_what_always_takes_longer_is_noticed() -> None:
    base = np.arange(1000)
    told = key_timing.difference(base + 5000, base)
    assert (told.later, told.quick_ns) == (1.0, 5000.0)
    assert told.deviations > 20
    assert told.interval_ns[0] > 4000


def test_the_standard_error_is_mann_and_whitneys() -> None:
    """Of two samples and two, one pair in four the other way round: U is 3 of 4."""
    told = key_timing.difference(np.array([2, 4]), np.array([1, 3]))
    assert told.later == 0.75
    assert told.deviations == pytest.approx(0.25 / (5 / 48) ** 0.5)


@given(st.sampled_from(key_timing.RIGHT))
def test_a_wrong_key_has_as_many_right_characters_as_it_says(right: int) -> None:
    made = key_timing.wrong(KEY, right)
    assert len(made) == len(KEY)
    assert made[:right] == KEY[:right]
    assert made[right] != KEY[right]
