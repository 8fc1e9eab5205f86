"""Does the export still give the checkpoint's answers? Two sets of logits in, a certificate out. Pure numpy.

A version is published with a passing certificate or not at all.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tritext_export.errors import CertificateError
from tritext_export.labelled import Example, label_ids

FloatArray = npt.NDArray[np.float32]
Activation = Literal["softmax", "sigmoid", "none"]

ACTIVATIONS: dict[str | None, Activation] = {
    "single_label_classification": "softmax",
    "multi_label_classification": "sigmoid",
    "regression": "none",
}
LENGTH_BUCKETS = (8, 16, 32, 64, 128, 256, 512)
MAX_FLIPS_LISTED = 50


@dataclass(frozen=True, slots=True)
class Limits:
    """What a certificate must show to pass.

    Attributes:
        agreement: Least share of texts with the checkpoint's label.
        max_probability_difference: Largest difference of any probability.
    """

    agreement: float = 1.0
    max_probability_difference: float = 1e-4


@dataclass(frozen=True, slots=True)
class Flip:
    """A text whose label changed."""

    text: str
    true_label: str
    checkpoint: str
    export: str
    probability_difference: float


@dataclass(frozen=True, slots=True)
class Bucket:
    """Texts of like length.

    Attributes:
        longest: Most tokens in the bucket.
        texts: How many there are.
        agreement: Share with the checkpoint's label.
        max_probability_difference: Largest difference of any probability.
    """

    longest: int
    texts: int
    agreement: float
    max_probability_difference: float


@dataclass(frozen=True, slots=True)
class Certificate:
    """How an export compares with its checkpoint on real texts.

    Attributes:
        texts_file: Name of the file the texts came from.
        texts_sha256: Its hash.
        split: Which of its splits was used.
        texts: How many.
        limits: What had to hold.
        agreement: Share of texts with the checkpoint's label.
        max_probability_difference: Largest difference of any probability.
        max_logit_difference: Largest difference of any logit.
        checkpoint_accuracy: Share of texts to which the checkpoint gives the true label; None for regression.
        export_accuracy: The same for the export.
        buckets: The comparison by length.
        flips: Texts whose label changed, the first fifty.
        passed: Whether the limits hold.
    """

    texts_file: str
    texts_sha256: str
    split: str
    texts: int
    limits: Limits
    agreement: float
    max_probability_difference: float
    max_logit_difference: float
    checkpoint_accuracy: float | None
    export_accuracy: float | None
    buckets: tuple[Bucket, ...]
    flips: tuple[Flip, ...]
    passed: bool

    def to_json(self) -> dict[str, Any]:
        """Give the certificate as JSON's own types."""
        return asdict(self)

    @property
    def line(self) -> str:
        """Say it in one line."""
        verdict = "passed" if self.passed else "FAILED"
        accuracy = ""
        if self.export_accuracy is not None:
            accuracy = f", accuracy {self.export_accuracy:.4f} (checkpoint {self.checkpoint_accuracy:.4f})"
        return (
            f"certificate {verdict}: {self.agreement:.2%} of {self.texts:,} labels agree, "
            f"max |Δp| {self.max_probability_difference:.1e}{accuracy}"
        )


def activation_of(problem_type: str | None, label_count: int) -> Activation:
    """Choose softmax, sigmoid or none as transformers' own pipeline does.

    Args:
        problem_type: The checkpoint's, or None where its config names none.
        label_count: Logits a text.

    Raises:
        CertificateError: the problem type is unknown.
    """
    if problem_type is None:
        return "sigmoid" if label_count == 1 else "softmax"
    if problem_type not in ACTIVATIONS:
        known = ", ".join(filter(None, ACTIVATIONS))
        raise CertificateError(f"problem_type {problem_type!r} is unknown: set one of {known} in config.json")
    return ACTIVATIONS[problem_type]


def probabilities(logits: FloatArray, activation: Activation) -> npt.NDArray[np.float64]:
    """Turn logits into probabilities in double precision, so that rounding here adds nothing to the comparison."""
    wide = logits.astype(np.float64)
    if activation == "none":
        return wide
    if activation == "sigmoid":
        return 1 / (1 + np.exp(-wide))
    exponentials = np.exp(wide - wide.max(axis=1, keepdims=True))
    result: npt.NDArray[np.float64] = exponentials / exponentials.sum(axis=1, keepdims=True)
    return result


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is compared: row i of each array belongs to example i.

    Attributes:
        examples: The labelled texts.
        lengths: Tokens of each.
        reference: The checkpoint's logits, FP32 [texts, labels].
        exported: The export's logits, FP32 [texts, labels].
        labels: Label names.
        activation: What turns logits into probabilities.
    """

    examples: Sequence[Example]
    lengths: Sequence[int]
    reference: FloatArray
    exported: FloatArray
    labels: Sequence[str]
    activation: Activation


def certify(comparison: Comparison, limits: Limits, *, texts_file: str, texts_sha256: str, split: str) -> Certificate:
    """Compare an export with its checkpoint.

    NaN or infinity in the export's logits never passes.
    """
    before = probabilities(comparison.reference, comparison.activation)
    after = probabilities(comparison.exported, comparison.activation)
    difference = np.abs(before - after).max(axis=1)
    reference_ids, exported_ids = (_decide(logits) for logits in (comparison.reference, comparison.exported))
    agree = reference_ids == exported_ids
    largest = float(difference.max())
    sound = bool(np.isfinite(comparison.exported).all())
    return Certificate(
        texts_file=texts_file,
        texts_sha256=texts_sha256,
        split=split,
        texts=len(comparison.examples),
        limits=limits,
        agreement=float(agree.mean()),
        max_probability_difference=largest,
        max_logit_difference=float(np.abs(comparison.reference - comparison.exported).max()),
        checkpoint_accuracy=_accuracy(comparison, reference_ids),
        export_accuracy=_accuracy(comparison, exported_ids),
        buckets=_buckets(np.asarray(comparison.lengths), agree, difference),
        flips=_flips(comparison, reference_ids, exported_ids, difference),
        passed=sound and agree.mean() >= limits.agreement and largest <= limits.max_probability_difference,
    )


def require(certificate: Certificate) -> None:
    """Refuse a certificate that did not pass.

    Raises:
        CertificateError: with the figures, the limits and the first flipped text.
    """
    if certificate.passed:
        return
    limits = certificate.limits
    example = f"; first flip: {certificate.flips[0].text!r}" if certificate.flips else ""
    raise CertificateError(
        f"{certificate.line}; required: {limits.agreement:.2%} and {limits.max_probability_difference:.1e}{example}. "
        "Nothing was published"
    )


def _decide(logits: FloatArray) -> npt.NDArray[np.intp]:
    """Choose labels as the server does: the largest logit, for sigmoid too."""
    ids: npt.NDArray[np.intp] = logits.argmax(axis=1)
    return ids


def _accuracy(comparison: Comparison, ids: npt.NDArray[np.intp]) -> float | None:
    if comparison.activation == "none":
        return None
    return float((ids == np.array(label_ids(comparison.examples, comparison.labels))).mean())


def _buckets(
    lengths: npt.NDArray[np.int64], agree: npt.NDArray[np.bool_], difference: npt.NDArray[np.float64]
) -> tuple[Bucket, ...]:
    places = np.searchsorted(LENGTH_BUCKETS, lengths)
    return tuple(
        Bucket(int(lengths[rows].max()), int(rows.sum()), float(agree[rows].mean()), float(difference[rows].max()))
        for rows in (places == place for place in np.unique(places))
    )


def _flips(
    comparison: Comparison,
    reference_ids: npt.NDArray[np.intp],
    exported_ids: npt.NDArray[np.intp],
    difference: npt.NDArray[np.float64],
) -> tuple[Flip, ...]:
    rows = np.flatnonzero(reference_ids != exported_ids)[:MAX_FLIPS_LISTED]
    labels = comparison.labels
    return tuple(
        Flip(
            comparison.examples[row].text,
            comparison.examples[row].label,
            labels[reference_ids[row]],
            labels[exported_ids[row]],
            float(difference[row]),
        )
        for row in rows
    )
