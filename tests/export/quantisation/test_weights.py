"""Weights in int8: how far rounding may take them, and what looking at real inputs gains."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.export.quantisation.layers import rows
from tritext_export.quantisation.weights import LARGEST, FloatArray, Int8Weights, round_optimally, round_to_nearest

SEEDS = st.integers(0, 10_000)
NUMBERS = st.floats(-100, 100, width=32)
MATRICES = arrays(np.float32, st.tuples(st.integers(1, 12), st.integers(1, 5)), elements=NUMBERS)


def damage(weights: FloatArray, rounded: Int8Weights, moment: npt.NDArray[np.float32]) -> float:
    """Squared change of the layer's outputs over all the inputs that the moment is of."""
    error = (weights - rounded.dequantise()).astype(np.float64)
    return float(np.einsum("io,ij,jo->", error, moment.astype(np.float64), error))


@given(MATRICES)
def test_the_nearest_is_within_half_a_step(weights: FloatArray) -> None:
    rounded = round_to_nearest(weights)
    assert rounded.values.dtype == np.int8
    assert np.abs(rounded.values.astype(int)).max() <= LARGEST
    assert (rounded.scale > 0).all()
    assert (np.abs(weights - rounded.dequantise()) <= rounded.scale * (0.5 + 1e-4)).all()


@given(MATRICES)
def test_the_largest_weight_of_a_column_uses_the_whole_range(weights: FloatArray) -> None:
    largest = np.abs(weights).max(axis=0)
    used = np.abs(round_to_nearest(weights).values.astype(int)).max(axis=0)
    normal = largest > np.finfo(np.float32).tiny * 256
    assert (used[normal] == LARGEST).all()
    assert (used[largest == 0] == 0).all()


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(8, 150), st.integers(1, 20), st.integers(1, 8))
def test_looking_at_the_inputs_is_never_worse(seed: int, inputs: int, outputs: int, factors: int) -> None:
    weights = rows(seed, inputs, outputs, outliers=False)
    tokens = rows(seed + 1, 300, factors) @ rows(seed + 2, factors, inputs) + 0.1 * rows(seed + 3, 300, inputs)
    moment = np.asarray(tokens.T @ tokens, np.float32)
    nearest, best = round_to_nearest(weights), round_optimally(weights, moment)
    np.testing.assert_array_equal(best.scale, nearest.scale)
    assert np.abs(best.values.astype(int)).max() <= LARGEST
    assert damage(weights, best, moment) <= 1.02 * damage(weights, nearest, moment)


def test_looking_at_the_inputs_pays_where_they_go_together() -> None:
    weights = rows(0, 192, 32, outliers=False)
    tokens = rows(1, 500, 12) @ rows(2, 12, 192)
    moment = np.asarray(tokens.T @ tokens, np.float32)
    best, nearest = round_optimally(weights, moment), round_to_nearest(weights)
    assert damage(weights, best, moment) < 0.25 * damage(weights, nearest, moment)


def test_inputs_that_do_not_go_together_are_rounded_to_nearest() -> None:
    weights = rows(0, 64, 8)
    independent = np.diag(np.linspace(1, 2, 64)).astype(np.float32)
    np.testing.assert_array_equal(round_optimally(weights, independent).values, round_to_nearest(weights).values)


@pytest.mark.parametrize("moment", [np.zeros((64, 64)), -np.eye(64)], ids=["nothing seen", "no second moment at all"])
def test_where_the_inputs_tell_nothing_the_nearest_serves(moment: npt.NDArray[np.float64]) -> None:
    weights = rows(0, 64, 8)
    rounded = round_optimally(weights, moment.astype(np.float32))
    np.testing.assert_array_equal(rounded.values, round_to_nearest(weights).values)


def test_the_second_moment_is_left_as_it_was() -> None:
    moment = np.eye(16, dtype=np.float32)
    round_optimally(rows(0, 16, 4), moment)
    np.testing.assert_array_equal(moment, np.eye(16))
