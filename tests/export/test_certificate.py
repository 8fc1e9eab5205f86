"""The certificate: what passes, what does not, and what it says."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tritext_export.certificate import Certificate, Comparison, Limits, activation_of, certify, probabilities, require
from tritext_export.errors import CertificateError
from tritext_export.labelled import Example

LABELS = ("a", "b", "c")
logits_arrays = arrays(np.float32, st.tuples(st.integers(1, 20), st.just(3)), elements=st.floats(-20, 20, width=32))


def compare(
    reference: npt.NDArray[np.float32], exported: npt.NDArray[np.float32], limits: Limits | None = None
) -> Certificate:
    """Certify one set of logits against another."""
    examples = [Example(f"text {i}", LABELS[i % 3]) for i in range(len(reference))]
    lengths = [2 + 7 * i for i in range(len(reference))]
    comparison = Comparison(examples, lengths, reference, exported, LABELS, "softmax")
    return certify(comparison, limits or Limits(), texts_file="t.tsv", texts_sha256="0", split="test")


@given(logits_arrays)
def test_the_same_logits_always_pass(logits: npt.NDArray[np.float32]) -> None:
    certificate = compare(logits, logits)
    assert certificate.passed
    assert (certificate.agreement, certificate.max_probability_difference) == (1, 0)
    assert certificate.flips == ()
    assert certificate.checkpoint_accuracy == certificate.export_accuracy


@given(logits_arrays, st.integers(0, 19), st.integers(0, 2))
def test_one_changed_label_never_passes_the_default_limits(
    logits: npt.NDArray[np.float32], row: int, label: int
) -> None:
    row %= len(logits)
    exported = logits.copy()
    exported[row, label] = 40
    certificate = compare(logits, exported)
    if logits[row].argmax() == label:
        assert not certificate.flips
    else:
        assert not certificate.passed
        assert [flip.text for flip in certificate.flips] == [f"text {row}"]


@given(logits_arrays)
def test_buckets_count_every_text_once(logits: npt.NDArray[np.float32]) -> None:
    certificate = compare(logits, logits + np.float32(0.5))
    assert sum(bucket.texts for bucket in certificate.buckets) == len(logits)
    longest = [bucket.longest for bucket in certificate.buckets]
    assert longest == sorted(set(longest))


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.filterwarnings("ignore:invalid value")
def test_nan_and_infinity_never_pass(value: float) -> None:
    exported = np.full((2, 3), value, np.float32)
    assert not compare(np.zeros((2, 3), np.float32), exported, Limits(0, np.inf)).passed


def test_limits_can_be_loosened() -> None:
    reference = np.array([[1, 0, 0], [0, 1, 0]], np.float32)
    exported = np.array([[0, 1, 0], [0, 1, 0]], np.float32)
    assert compare(reference, exported, Limits(0.5, 1.0)).passed
    assert not compare(reference, exported, Limits(0.6, 1.0)).passed


def test_a_refusal_gives_figures_limits_and_the_first_flip() -> None:
    certificate = compare(np.array([[1, 0, 0]], np.float32), np.array([[0, 1, 0]], np.float32))
    words = r"0\.00% of 1 labels agree.*required: 100\.00% and 1\.0e-04; first flip: 'text 0'.*Nothing was published"
    with pytest.raises(CertificateError, match=words):
        require(certificate)


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


@given(logits_arrays)
def test_probabilities_are_those_of_torch(logits: npt.NDArray[np.float32]) -> None:
    import torch

    wide = torch.from_numpy(logits).double()
    np.testing.assert_allclose(probabilities(logits, "softmax"), wide.softmax(1).numpy(), atol=1e-12)
    np.testing.assert_allclose(probabilities(logits, "sigmoid"), wide.sigmoid().numpy(), atol=1e-12)
