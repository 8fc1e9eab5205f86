"""Noise and margins: what the labels are said to bear, against what noise really does to them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tritext_export.certificate import Activation
from tritext_export.quantisation.noise import margins, measure_noise, predict_agreement

MARGINS = arrays(np.float64, st.integers(1, 50), elements=st.floats(0, 20))
NOISES = st.floats(0, 50)


@given(MARGINS, NOISES, NOISES)
def test_more_noise_never_promises_more(margin: np.ndarray, one: float, other: float) -> None:  # type: ignore[type-arg]
    less, more = sorted((one, other))
    assert predict_agreement(margin, less) >= predict_agreement(margin, more) - 1e-12


@given(MARGINS, NOISES)
def test_an_agreement_is_a_share_and_half_at_the_least(margin: np.ndarray, noise: float) -> None:  # type: ignore[type-arg]
    assert 0.5 - 1e-12 <= predict_agreement(margin, noise) <= 1


def test_without_noise_every_label_stays() -> None:
    assert predict_agreement(np.zeros(3), 0.0) == 1.0


@pytest.mark.parametrize("noise", [0.1, 0.5, 2.0])
def test_the_promise_is_what_normal_noise_does(noise: float) -> None:
    chance = np.random.default_rng(0)
    margin = chance.exponential(2, 20_000)
    kept = float((margin + noise * chance.normal(size=margin.shape) > 0).mean())
    assert abs(predict_agreement(margin, noise) - kept) < 0.01


@pytest.mark.parametrize(
    ("logits", "activation", "expected"),
    [
        ([[3.0, 1.0, 2.0], [0.0, 0.0, -5.0]], "softmax", [1.0, 0.0]),
        ([[3.0, -0.5], [-2.0, -4.0]], "sigmoid", [0.5, 2.0]),
        ([[0.25], [-4.0]], "softmax", [0.25, 4.0]),
        ([[1.0], [3.0]], "none", [0.05, 0.05]),
    ],
)
def test_a_margin_is_the_way_to_another_decision(
    logits: list[list[float]], activation: Activation, expected: list[float]
) -> None:
    np.testing.assert_allclose(margins(np.array(logits, np.float32), activation), expected)


@pytest.mark.parametrize(("activation", "labels"), [("softmax", 2), ("softmax", 5), ("sigmoid", 3), ("none", 1)])
def test_noise_is_measured_in_what_the_margins_are(activation: Activation, labels: int) -> None:
    chance = np.random.default_rng(0)
    reference = chance.normal(size=(4000, labels)).astype(np.float32)
    assert measure_noise(reference, reference, activation) == 0
    noisy = (reference + 0.1 * chance.normal(size=reference.shape)).astype(np.float32)
    expected = 0.1 * (2**0.5 if activation == "softmax" else 1)
    assert measure_noise(reference, noisy, activation) == pytest.approx(expected, rel=0.1)


def test_what_moves_all_logits_alike_is_no_noise_for_softmax() -> None:
    reference = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    assert measure_noise(reference, reference + np.float32(4), "softmax") < 1e-5
    assert measure_noise(reference, reference + np.float32(4), "sigmoid") == pytest.approx(4)
