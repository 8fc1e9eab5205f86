"""Logits in, certificates out: what every test of the certificate compares with."""

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tritext_export.certificate import Activation, Certificate, Comparison, Limits, Subject, certify
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
