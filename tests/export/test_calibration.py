"""The calibration error: known values, bounds, and bins that lose no text."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tritext_export.certificate.calibration import BINS, calibration_error, reliability

answers = st.integers(1, 60).flatmap(
    lambda count: st.tuples(arrays(np.float64, count, elements=st.floats(0, 1)), arrays(np.bool_, count))
)


@settings(deadline=None)
@given(answers)
def test_the_error_lies_between_none_and_all(answer: tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]) -> None:
    bins = reliability(*answer)
    error = calibration_error(bins)
    assert error is not None
    assert 0 <= error <= 1
    assert sum(b.texts for b in bins) == len(answer[0])
    assert len(bins) == BINS
    for b in bins:
        if b.confidence is not None:
            assert b.lower - 1e-9 <= b.confidence <= b.upper + 1e-9


def test_known_values() -> None:
    sure = np.full(10, 0.9)
    right = np.arange(10) < 9
    assert calibration_error(reliability(sure, right)) == pytest.approx(0)
    assert calibration_error(reliability(sure, np.ones(10, np.bool_))) == pytest.approx(0.1)
    assert calibration_error(reliability(np.ones(4), np.zeros(4, np.bool_))) == 1
    # Two bins of unlike size: 0.75 · |1 - 0.9| + 0.25 · |0 - 0.5|.
    mixed = reliability(np.array([0.9, 0.9, 0.9, 0.5]), np.array([True, True, True, False]))
    assert calibration_error(mixed) == pytest.approx(0.2)


def test_the_ends_have_bins() -> None:
    bins = reliability(np.array([0.0, 1.0]), np.array([True, True]))
    assert [b.texts for b in bins] == [1] + [0] * (BINS - 2) + [1]


def test_nan_falls_into_no_bin() -> None:
    bins = reliability(np.array([np.nan, 0.5]), np.array([False, True]))
    assert sum(b.texts for b in bins) == 1
    assert calibration_error(reliability(np.array([np.nan]), np.array([False]))) is None
