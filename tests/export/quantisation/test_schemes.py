"""Inputs in int8: how far a scheme may take a number, and that no token hears of another."""

from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.export.quantisation.layers import rows
from tritext_export.quantisation.schemes import (
    HALF,
    STEPS,
    FloatArray,
    PerToken,
    Scheme,
    Static,
    describe,
    per_token_schemes,
    static_schemes,
)

NUMBERS = st.floats(-50, 50, width=32)
TOKENS = arrays(np.float32, st.tuples(st.integers(1, 8), st.integers(1, 12)), elements=NUMBERS)
SLACK = 1e-4  # of a step: what fp32 itself rounds away


@given(TOKENS, st.integers(0, 5))
def test_a_fixed_scale_is_off_by_a_step_at_most(tokens: FloatArray, seed: int) -> None:
    weights = rows(seed, tokens.shape[1], 4)
    for scheme in static_schemes(tokens.min(axis=0), tokens.max(axis=0), weights):
        divided = tokens if scheme.divisor is None else tokens / scheme.divisor
        assert 0 <= scheme.zero_point <= STEPS
        error = np.abs(scheme.apply(divided) - divided)
        assert error.max() <= scheme.scale * (1 + SLACK)


@given(TOKENS)
def test_a_fixed_scale_is_off_by_half_a_step_inside_its_range(tokens: FloatArray) -> None:
    scheme = Static(None, 0.5, 128)
    inside = np.abs(tokens) < 0.5 * (HALF - 1)
    assert (np.abs(scheme.apply(tokens) - tokens)[inside] <= 0.25 * (1 + SLACK)).all()
    assert scheme.apply(np.array([[1e6, -1e6]], np.float32)).tolist() == [[0.5 * 127, -0.5 * 128]]


@given(TOKENS)
def test_a_scale_a_token_is_off_by_half_a_step_of_the_token(tokens: FloatArray) -> None:
    step = np.abs(tokens).max(axis=1, keepdims=True) / HALF
    assert (np.abs(PerToken().apply(tokens) - tokens) <= step * (0.5 + SLACK) + 1e-9).all()


@given(TOKENS)
def test_a_floor_gives_all_steps_to_what_lies_above(tokens: FloatArray) -> None:
    above = np.maximum(tokens, -0.17)
    scheme = PerToken(None, -0.171)
    step = (above.max(axis=1, keepdims=True) + 0.171) / STEPS
    assert (np.abs(scheme.apply(above) - above) <= step * (0.5 + 1e-3) + 1e-7).all()


@given(TOKENS, st.sampled_from([Static(None, 0.25, 100), PerToken(), PerToken(None, -50.0)]))
def test_no_token_hears_of_another(tokens: FloatArray, scheme: Scheme) -> None:
    together = scheme.apply(tokens)
    for row in range(len(tokens)):
        np.testing.assert_array_equal(scheme.apply(tokens[row : row + 1])[0], together[row])


def test_zero_stays_zero() -> None:
    nothing = np.zeros((2, 4), np.float32)
    schemes: list[Scheme] = [PerToken(), *static_schemes(nothing[0] - 1, nothing[0] + 3, np.ones((4, 2), np.float32))]
    for scheme in schemes:
        np.testing.assert_array_equal(scheme.apply(nothing), 0)


@pytest.mark.parametrize("channels", [4, 64])
def test_every_divisor_is_positive_and_finite(channels: int) -> None:
    """A channel that is never anything but zero, or weights that are, divide by nothing."""
    highest = np.abs(rows(0, channels))
    highest[0] = 0
    weights = rows(1, channels, 8)
    weights[1] = 0
    proposals: list[Scheme] = [
        *static_schemes(-highest, highest, weights),
        *per_token_schemes(-highest, highest, weights, None),
    ]
    divisors = [scheme.divisor for scheme in proposals if scheme.divisor is not None]
    assert len(divisors) > 20
    assert all(d.dtype == np.float32 and np.isfinite(d).all() and (d > 0).all() for d in divisors)
    assert sum(scheme.evens for scheme in proposals) == 2


def test_proposals_begin_with_no_divisor_and_end_with_the_floor_alone() -> None:
    ones, weights = np.ones(8, np.float32), rows(0, 8, 4)
    assert next(static_schemes(-ones, ones, weights)).divisor is None
    assert next(per_token_schemes(-ones, ones, weights, None)) == PerToken()
    assert list(per_token_schemes(-ones, ones, weights, -0.171)) == [PerToken(None, -0.171)]


def test_dividing_evens_out_the_channel_that_stands_out() -> None:
    highest = np.ones(64, np.float32)
    highest[7] = 100
    weights = rows(0, 64, 16, outliers=False)
    tokens = rows(1, 200, 64, outliers=False) * highest / 4
    wanted = tokens @ weights

    def error(scheme: Scheme) -> float:
        by = np.float32(1) if scheme.divisor is None else scheme.divisor
        return float(np.abs(scheme.apply(tokens / by) @ (weights.T * by).T - wanted).mean())

    plain, *divided = chain(static_schemes(-highest, highest, weights))
    assert min(map(error, divided)) < 0.2 * error(plain)


def test_a_word_for_each() -> None:
    words = [describe(scheme) for scheme in (None, Static(None, 1.0, 0), PerToken())]
    assert words == ["fp32", "static int8", "int8 per token"]
