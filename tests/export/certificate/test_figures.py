"""The figures: some worked out by hand, and those of regression and of answers that are no numbers."""

import math

import numpy as np
import pytest
from hypothesis import given, settings

from tests.export.certificate.compared import ANYTHING, FloatArray, compare, logits_arrays, rows
from tritext_export.certificate import probabilities


def test_figures_worked_out_by_hand() -> None:
    reference = rows((1, 0, 0), (0, 1, 0), (0, 0, 1), (2, 0, 0))
    alone, together = reference.copy(), reference.copy()
    alone[1] = (2, 1, 0)
    together[1], together[2] = (2, 1, 0), (1, 0, 0)
    certificate = compare(reference, alone, together, limits=ANYTHING)
    assert (certificate.agreement, certificate.unstable, certificate.flip_count) == (0.5, 1, 2)
    assert (certificate.checkpoint_accuracy, certificate.export_accuracy) == (1, 0.5)
    assert [batch.agreement for batch in certificate.batches] == [0.75, 0.5]
    assert [batch.export_accuracy for batch in certificate.batches] == [0.75, 0.5]
    assert [flip.batch_sizes for flip in certificate.flips] == [(1, 2), (2,)]
    first = certificate.flips[0]
    assert (first.checkpoint, first.export) == ("b", "a")
    assert first.checkpoint_score == pytest.approx(math.e / (math.e + 2))
    assert first.export_score == pytest.approx(math.e**2 / (math.e**2 + math.e + 1))
    assert certificate.max_logit_difference == 2
    probability = probabilities(reference[2:3], "softmax") - probabilities(together[2:3], "softmax")
    assert certificate.max_batch_difference == pytest.approx(np.abs(probability).max())
    assert [(c.true, c.given, c.texts) for c in certificate.export_confusion] == [
        ("a", "a", 2), ("b", "a", 1), ("c", "a", 1)
    ]  # fmt: skip


@settings(deadline=None)
@given(logits_arrays)
def test_buckets_count_every_text_once(logits: FloatArray) -> None:
    certificate = compare(logits, logits + np.float32(0.5))
    assert sum(bucket.texts for bucket in certificate.buckets) == len(logits)
    longest = [bucket.longest for bucket in certificate.buckets]
    assert longest == sorted(set(longest))


def test_an_export_that_answers_nothing_but_nan() -> None:
    certificate = compare(np.zeros((5, 3), np.float32), np.full((5, 3), np.nan, np.float32), limits=ANYTHING)
    assert (certificate.agreement, certificate.export_accuracy, certificate.export_calibration_error) == (0, 0, None)
    assert [c.passed for c in certificate.checks if c.name == "rise of the calibration error"] == [False]


def test_regression_is_measured_by_the_spread_of_the_checkpoint() -> None:
    reference = rows((0,), (10,), (20,), (30,))
    spread = reference.std()
    certificate = compare(reference, reference, reference + np.float32(spread / 100), activation="none")
    assert certificate.max_probability_difference == pytest.approx(0.01, rel=1e-4)
    assert certificate.agreement is certificate.export_accuracy is certificate.export_calibration_error is None
    assert certificate.reason == "max |Δ| in standard deviations 0.01 (required: ≤ 1.0e-04)"
    assert certificate.line == "certificate FAILED: 4 texts, max |Δ| 0.01 standard deviations"
    constant = np.ones((4, 1), np.float32)
    assert compare(constant, constant + np.float32(0.5), activation="none").max_probability_difference == 0.5
