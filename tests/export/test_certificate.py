"""The certificate: what passes, what does not, and what it says."""

import json
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tritext_export.certificate import (
    Activation,
    Certificate,
    Comparison,
    Limits,
    Subject,
    activation_of,
    certify,
    limits_for,
    probabilities,
    require,
)
from tritext_export.certificate.wording import decimal, percent, small
from tritext_export.errors import CertificateError
from tritext_export.labelled import Example

FloatArray = npt.NDArray[np.float32]
LABELS = ("a", "b", "c")
SUBJECT = Subject("tiny", "fp32", "t.tsv", "0", "test")
ANYTHING = Limits(0.0, 1.0, 1.0, 1_000, 1.0)
logits_arrays = arrays(np.float32, st.tuples(st.integers(1, 20), st.just(3)), elements=st.floats(-20, 20, width=32))


def compare(
    reference: FloatArray, *runs: FloatArray, limits: Limits | None = None, activation: Activation = "softmax"
) -> Certificate:
    """Certify one or several runs of an export, in batches of 1, 2, 3, …, against a checkpoint."""
    labels = LABELS[: reference.shape[1]]
    examples = [Example(f"text {i}", labels[i % len(labels)]) for i in range(len(reference))]
    lengths = [2 + 7 * i for i in range(len(reference))]
    comparison = Comparison(examples, lengths, reference, dict(enumerate(runs, start=1)), labels, activation)
    return certify(comparison, limits or Limits(), SUBJECT)


def rows(*values: tuple[float, ...]) -> FloatArray:
    """Write logits by hand."""
    return np.array(values, np.float32)


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
@given(logits_arrays, logits_arrays, st.randoms(use_true_random=False))
def test_the_order_of_the_texts_changes_nothing(reference: FloatArray, other: FloatArray, random: Any) -> None:
    count = min(len(reference), len(other))
    order = list(range(count))
    random.shuffle(order)
    examples = [Example(f"text {i}", LABELS[i % 3]) for i in range(count)]

    def ordered(places: list[int]) -> dict[str, Any]:
        runs = {1: other[places], 8: (reference[:count] / 2 + other[:count] / 2)[places]}
        chosen = [examples[i] for i in places]
        comparison = Comparison(chosen, [2 + 7 * i for i in places], reference[places], runs, LABELS, "softmax")
        content = certify(comparison, ANYTHING, SUBJECT).to_json()
        content["flips"].sort(key=lambda flip: flip["text"])
        return content

    assert_close(ordered(list(range(count))), ordered(order))


def assert_close(ours: Any, theirs: Any) -> None:
    """Compare JSON, floats up to the rounding of another order of addition."""
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        for key in ours:
            assert_close(ours[key], theirs[key])
    elif isinstance(ours, list):
        assert len(ours) == len(theirs)
        for mine, yours in zip(ours, theirs, strict=True):
            assert_close(mine, yours)
    elif isinstance(ours, float):
        assert ours == pytest.approx(theirs, abs=1e-9)
    else:
        assert ours == theirs


@settings(deadline=None)
@given(logits_arrays)
def test_buckets_count_every_text_once(logits: FloatArray) -> None:
    certificate = compare(logits, logits + np.float32(0.5))
    assert sum(bucket.texts for bucket in certificate.buckets) == len(logits)
    longest = [bucket.longest for bucket in certificate.buckets]
    assert longest == sorted(set(longest))


@settings(deadline=None)
@given(logits_arrays, logits_arrays)
def test_a_certificate_survives_json(reference: FloatArray, other: FloatArray) -> None:
    count = min(len(reference), len(other))
    certificate = compare(reference[:count], other[:count], reference[:count])
    stored = json.loads(json.dumps(certificate.to_json(), allow_nan=False))
    assert Certificate.from_json(stored) == certificate


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


def test_an_export_that_answers_nothing_but_nan() -> None:
    certificate = compare(np.zeros((5, 3), np.float32), np.full((5, 3), np.nan, np.float32), limits=ANYTHING)
    assert (certificate.agreement, certificate.export_accuracy, certificate.export_calibration_error) == (0, 0, None)
    assert [c.passed for c in certificate.checks if c.name == "rise of the calibration error"] == [False]


def test_a_checkpoint_that_answers_nan_is_no_measure() -> None:
    with pytest.raises(CertificateError, match="the checkpoint itself answers NaN or infinity, first to 'text 0'"):
        compare(rows((np.nan, 0, 0)), rows((0, 0, 0)))


def test_arrays_of_other_shapes_are_no_comparison() -> None:
    with pytest.raises(CertificateError, match=r"in batches of 1 the export answers \(1, 2\), the checkpoint \(1, 3\)"):
        compare(rows((0, 0, 0)), rows((0, 0)))
    with pytest.raises(CertificateError, match="at least one text"):
        compare(np.empty((0, 3), np.float32), np.empty((0, 3), np.float32))


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


def test_several_labels_agree_only_as_a_set() -> None:
    reference = rows((2, 1, -1), (2, 1, -1), (-1, -2, -3), (2, 1, -1))
    exported = rows((2, 1, -1), (2, -0.1, -1), (-2, -1, -3), (1, 2, -1))
    certificate = compare(reference, exported, limits=ANYTHING, activation="sigmoid")
    assert certificate.agreement == 0.25
    assert [(flip.checkpoint, flip.export) for flip in certificate.flips] == [
        ("a + b", "a"),
        ("a (below 0.5)", "b (below 0.5)"),
        ("a + b", "b + a"),
    ]


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


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (
            lambda logits: logits[:, [1, 0, 2]],
            "the labels are swapped: where the checkpoint says 'b' the export says 'a'",
        ),
        (lambda logits: logits * 3 + 1, "the logits are 3 times the checkpoint's"),
        (lambda logits: logits * 0 + 1, "the export answers every text alike"),
        (lambda logits: np.where(logits > 2, np.inf, logits), "infinity in the logits: a number overflowed"),
    ],
)
def test_a_likely_cause_is_named(damage: Any, words: str) -> None:
    logits = np.random.default_rng(0).normal(0, 2, (50, 3)).astype(np.float32)
    assert words in compare(logits, damage(logits).astype(np.float32)).reason


def test_noise_has_no_cause() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(0, 2, (50, 3)).astype(np.float32)
    assert compare(logits, random.normal(0, 2, (50, 3)).astype(np.float32)).diagnosis == ""


def test_only_fifty_flips_are_listed_and_all_are_counted() -> None:
    reference = np.tile(rows((1, 0, 0)), (60, 1))
    certificate = compare(reference, reference[:, ::-1])
    assert (len(certificate.flips), certificate.flip_count) == (50, 60)
    assert certificate.flips[0].text == "text 0"


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


def test_limits_depend_on_the_precision_and_what_was_chosen_wins() -> None:
    assert limits_for("fp32") == Limits(1.0, 1e-4, 0.0, 0, 0.001)
    assert limits_for("fp16") == Limits(0.998, 0.02, 0.002, 0, 0.01)
    assert limits_for("int8") == Limits(0.995, 0.25, 0.005, 0, 0.02)
    assert limits_for("int8", {"agreement": 0.9}) == Limits(0.9, 0.25, 0.005, 0, 0.02)
    with pytest.raises(CertificateError, match="no limits for precision 'int4': use fp32, fp16, int8"):
        limits_for("int4")
    with pytest.raises(CertificateError, match="the limit 'speed' is unknown: use agreement"):
        limits_for("int8", {"speed": 1})


@pytest.mark.parametrize(
    ("problem_type", "labels", "activation"),
    [
        ("single_label_classification", 2, "softmax"),
        ("multi_label_classification", 5, "sigmoid"),
        ("regression", 1, "none"),
        (None, 3, "softmax"),
        (None, 1, "sigmoid"),
    ],
)
def test_the_problem_type_decides_the_activation(problem_type: str | None, labels: int, activation: str) -> None:
    assert activation_of(problem_type, labels) == activation


def test_an_unknown_problem_type_is_named() -> None:
    with pytest.raises(CertificateError, match="problem_type 'ranking' is unknown"):
        activation_of("ranking", 2)


@settings(deadline=None)
@given(logits_arrays)
def test_probabilities_are_those_of_torch(logits: FloatArray) -> None:
    import torch

    wide = torch.from_numpy(logits).double()
    np.testing.assert_allclose(probabilities(logits, "softmax"), wide.softmax(1).numpy(), atol=1e-12)
    np.testing.assert_allclose(probabilities(logits, "sigmoid"), wide.sigmoid().numpy(), atol=1e-12)


def test_figures_are_written_so_that_none_looks_better_than_it_is() -> None:
    assert [percent(share) for share in (1.0, 0.99999, 0.995, 0.0, math.nan)] == [
        "100.00%", "99.99%", "99.50%", "0.00%", "NaN"
    ]  # fmt: skip
    assert [small(value) for value in (1.83e-6, 0.25, 0.0, math.nan, math.inf)] == [
        "1.8e-06",
        "0.25",
        "0",
        "NaN",
        "inf",
    ]
    assert [decimal(value) for value in (0.84841, math.nan)] == ["0.8484", "NaN"]
