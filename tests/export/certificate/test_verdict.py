"""The verdict: what passes, what does not, and what a refusal says."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.export.certificate.compared import ANYTHING, FloatArray, compare, logits_arrays, rows
from tritext_export.certificate import Activation, Certificate, Limits, require
from tritext_export.errors import CertificateError


@settings(deadline=None)
@given(logits_arrays, st.sampled_from(["softmax", "sigmoid", "none"]))
def test_a_perfect_copy_always_passes(logits: FloatArray, activation: Activation) -> None:
    certificate = compare(logits, logits, logits, logits, activation=activation)
    assert certificate.passed
    assert certificate.reason == certificate.diagnosis == ""
    assert certificate.agreement == (None if activation == "none" else 1)
    assert (certificate.max_probability_difference, certificate.max_logit_difference, certificate.unstable) == (0, 0, 0)
    assert certificate.flips == ()
    assert certificate.checkpoint_accuracy == certificate.export_accuracy
    assert certificate.checkpoint_confusion == certificate.export_confusion
    assert certificate.checkpoint_reliability == certificate.export_reliability


@settings(deadline=None)
@given(logits_arrays, st.integers(0, 19), st.integers(0, 2))
def test_one_changed_label_in_one_run_never_passes_the_default_limits(logits: FloatArray, row: int, label: int) -> None:
    row %= len(logits)
    exported = logits.copy()
    exported[row, label] = 40
    certificate = compare(logits, logits, exported)
    if logits[row].argmax() == label:
        assert not certificate.flips
    else:
        assert not certificate.passed
        assert [(flip.text, flip.batch_sizes, flip.unstable) for flip in certificate.flips] == [
            (f"text {row}", (2,), True)
        ]
        assert certificate.unstable == certificate.flip_count == 1
        assert certificate.worst_batch_size == 2
        assert [batch.agreement for batch in certificate.batches] == [1, certificate.agreement]


@settings(deadline=None)
@given(logits_arrays, logits_arrays)
def test_a_certificate_survives_json(reference: FloatArray, other: FloatArray) -> None:
    count = min(len(reference), len(other))
    certificate = compare(reference[:count], other[:count], reference[:count])
    stored = json.loads(json.dumps(certificate.to_json(), allow_nan=False))
    assert Certificate.from_json(stored) == certificate


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_never_pass_and_are_named(value: float) -> None:
    exported = np.zeros((5, 3), np.float32)
    exported[2] = value
    certificate = compare(np.zeros((5, 3), np.float32), np.zeros((5, 3), np.float32), exported, limits=ANYTHING)
    assert not certificate.passed
    assert certificate.broken == 1
    with pytest.raises(
        CertificateError, match=r"NaN or infinity 1 \(required: 0\).*overflowed.*became NaN or infinity"
    ):
        require(certificate)
    assert json.loads(json.dumps(certificate.to_json(), allow_nan=False))["max_probability_difference"] is None


def test_each_limit_can_be_loosened_and_each_is_named_with_its_figure() -> None:
    reference, exported = rows((4, 0, 0), (0, 4, 0)), rows((0, 4, 0), (0, 4, 0))
    assert compare(reference, exported, reference, limits=ANYTHING).passed
    tight = {
        "label agreement 50.00% (required: ≥ 60.00%)": Limits(0.6, 1.0, 1.0, 9, 1.0),
        "max |Δp| 0.95 (required: ≤ 0.9)": Limits(0.0, 0.9, 1.0, 9, 1.0),
        "accuracy drop 0.5000 (1.0000 to 0.5000) (required: ≤ 0.4000)": Limits(0.0, 1.0, 0.4, 9, 1.0),
        "labels that change with the batch 1 (required: ≤ 0)": Limits(0.0, 1.0, 1.0, 0, 1.0),
        "rise of the calibration error 0.4293 (0.0353 to 0.4647) (required: ≤ 0.4000)": Limits(0.0, 1.0, 1.0, 9, 0.4),
    }
    for words, limits in tight.items():
        certificate = compare(reference, exported, reference, limits=limits)
        assert certificate.reason == words
    both = compare(reference, exported, reference, limits=Limits(0.6, 0.9, 1.0, 9, 1.0)).reason
    assert both == "; ".join(list(tight)[:2])


def test_a_refusal_gives_figures_limits_the_first_flip_and_the_evidence() -> None:
    certificate = compare(rows((1, 0, 0)), rows((0, 1, 0)))
    words = (
        r"0\.00% of 1 labels agree.*agreement 0\.00% \(required: ≥ 100\.00%\).*"
        r"first flip: 'text 0', a 0\.58 became b 0\.58\. Nothing was published; look there"
    )
    with pytest.raises(CertificateError, match=words):
        require(certificate, "look there")


def test_ninety_nine_point_five_per_cent_is_met_exactly() -> None:
    reference = np.tile(rows((1, 0, 0)), (200, 1))
    exported = reference.copy()
    exported[0] = (0, 1, 0)
    assert compare(reference, exported, limits=Limits(0.995, 1.0, 1.0, 0, 1.0)).passed
    exported[1] = (0, 1, 0)
    assert not compare(reference, exported, limits=Limits(0.995, 1.0, 1.0, 0, 1.0)).passed


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema": None}, "written by another version of tritext: export again"),
        ({"buckets": None}, "damaged .*: export again"),
        ({"limits": {"agreement": 1.0, "speed": 3}}, "damaged .*speed.*: export again"),
    ],
)
def test_an_old_or_damaged_certificate_is_told_so(change: dict[str, Any], words: str) -> None:
    logits = np.zeros((3, 3), np.float32)
    with pytest.raises(CertificateError, match=words):
        Certificate.from_json(compare(logits, logits).to_json() | change)
