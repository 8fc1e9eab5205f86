"""What is compared: the checkpoint's logits and the export's, and how each is read as labels and scores. Pure numpy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from tritext_export.errors import CertificateError
from tritext_export.labelled import Example

FloatArray = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Activation = Literal["softmax", "sigmoid", "none"]

ACTIVATIONS: dict[str | None, Activation] = {
    "single_label_classification": "softmax",
    "multi_label_classification": "sigmoid",
    "regression": "none",
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is compared: row i of each array belongs to example i.

    Attributes:
        examples: The labelled texts.
        lengths: Tokens of each.
        reference: The checkpoint's logits, FP32 [texts, labels].
        runs: The export's logits by the size of the batches they were asked for in, each FP32 [texts, labels].
        labels: Label names.
        activation: What turns logits into probabilities.
    """

    examples: Sequence[Example]
    lengths: Sequence[int]
    reference: FloatArray
    runs: Mapping[int, FloatArray]
    labels: Sequence[str]
    activation: Activation

    @property
    def alone(self) -> FloatArray:
        """The export's logits in the smallest batches, FP32 [texts, labels]."""
        return self.runs[min(self.runs)]

    def scores(self, logits: FloatArray) -> Doubles:
        """Give probabilities, or for regression the outputs in standard deviations of the checkpoint's own.

        An output has no scale that everybody shares, as a probability has; the spread of the checkpoint's answers is
        the only one at hand. Where it does not spread at all the outputs stand as they are.
        """
        scores = probabilities(logits, self.activation)
        if self.activation != "none":
            return scores
        spread = self.reference.astype(np.float64).std(axis=0)
        return np.asarray(scores / np.where(spread > 0, spread, 1.0), np.float64)

    def decisions(self, logits: FloatArray) -> npt.NDArray[np.int64]:
        """Give what makes up each text's label, INT64 [texts, parts]: two texts agree where every part does.

        For softmax that is the largest logit; for sigmoid the largest and, label by label, whether its probability
        reaches one half; for regression nothing. A row with NaN or infinity holds -1 throughout.
        """
        parts = {"softmax": _top, "sigmoid": _set_and_top, "none": _nothing}[self.activation](logits)
        return np.where(broken(logits)[:, None], -1, parts)

    def given(self, logits: FloatArray) -> npt.NDArray[np.bool_]:
        """Tell which labels each text is given, BOOL [texts, labels]: the largest logit's, or all that reach one half.

        For regression that is none.
        """
        if self.activation == "softmax":
            return np.asarray(_top(logits) == np.arange(logits.shape[1]), np.bool_)
        return _reach_half(logits) if self.activation == "sigmoid" else np.zeros(logits.shape, np.bool_)

    def name_label(self, logits: FloatArray) -> str:
        """Name the label of one text, FP32 [labels]; for sigmoid all that reach one half, the likeliest first."""
        top = self.labels[int(logits.argmax())]
        if self.activation != "sigmoid":
            return top
        chosen = [self.labels[i] for i in np.argsort(-logits, kind="stable") if logits[i] >= 0]
        return " + ".join(chosen) or f"{top} (below 0.5)"


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


def probabilities(logits: FloatArray, activation: Activation) -> Doubles:
    """Turn logits into probabilities in double precision, so that rounding here adds nothing to the comparison.

    A row with an infinite or missing logit may hold NaN.
    """
    wide = logits.astype(np.float64)
    if activation == "none":
        return wide
    with np.errstate(over="ignore", invalid="ignore"):
        if activation == "sigmoid":
            return np.asarray(1 / (1 + np.exp(-wide)), np.float64)
        exponentials = np.exp(wide - wide.max(axis=1, keepdims=True))
        return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True), np.float64)


def broken(logits: FloatArray) -> npt.NDArray[np.bool_]:
    """Tell which rows hold NaN or infinity, BOOL [texts]."""
    return np.asarray(~np.isfinite(logits).all(axis=1), np.bool_)


def _top(logits: FloatArray) -> npt.NDArray[np.int64]:
    return np.asarray(logits.argmax(axis=1)[:, None], np.int64)


def _set_and_top(logits: FloatArray) -> npt.NDArray[np.int64]:
    return np.concatenate([_top(logits), _reach_half(logits).astype(np.int64)], axis=1)


def _reach_half(logits: FloatArray) -> npt.NDArray[np.bool_]:
    # A probability reaches one half exactly where its logit is not negative.
    return np.asarray(logits >= 0, np.bool_)


def _nothing(logits: FloatArray) -> npt.NDArray[np.int64]:
    return np.empty((len(logits), 0), np.int64)
