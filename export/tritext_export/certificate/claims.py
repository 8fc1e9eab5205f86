"""What one model says of each text, held against what the file says: logits and truth in, claims out. Pure numpy.

A claim is what a probability is given for. A model with one label a text makes one claim of each: its label. A model
that gives several at once makes one for each label: that the text has it.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tritext_export.certificate.comparison import Comparison, Doubles, FloatArray, broken, probabilities
from tritext_export.labelled import label_sets

Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Claims:
    """One model's answers, in one run.

    Attributes:
        label: Position of the top label, -1 where the text is answered with NaN or infinity, INT64 [texts].
        confidence: Its probability, for regression the output; NaN where it is broken, FP64 [texts].
        given: Which labels it gives, none where it is broken, BOOL [texts, labels]; for regression none.
        right: Whether those are exactly the true ones, BOOL [texts].
        probability: How likely it calls each claim, NaN where it is broken, FP64 [texts, claims].
        holds: Whether the claim is true, BOOL [texts, claims].
    """

    label: npt.NDArray[np.int64]
    confidence: Doubles
    given: Booleans
    right: Booleans
    probability: Doubles
    holds: Booleans


def true_labels(comparison: Comparison) -> Booleans | None:
    """Give the labels that the file names, BOOL [texts, labels]; None for regression, which has no labels.

    Raises:
        TextsError: a text carries a label that the model does not know.
    """
    if comparison.activation == "none":
        return None
    truth = np.zeros(comparison.reference.shape, np.bool_)
    for row, places in enumerate(label_sets(comparison.examples, comparison.labels)):
        truth[row, places] = True
    return truth


def claim(comparison: Comparison, logits: FloatArray, truth: Booleans | None) -> Claims:
    """Read one model's answers.

    Args:
        comparison: What is compared, for how logits are read.
        logits: FP32 [texts, labels].
        truth: What ``true_labels`` gave.
    """
    lost = broken(logits)
    scores = np.where(lost[:, None], np.nan, probabilities(logits, comparison.activation))
    given = comparison.given(logits) & ~lost[:, None]
    label, confidence = logits.argmax(axis=1), scores.max(axis=1)
    if truth is None:
        nothing = np.empty((len(logits), 0))
        wrong = np.zeros(len(logits), np.bool_)
        return Claims(np.where(lost, -1, label), confidence, given, wrong, nothing, nothing.astype(np.bool_))
    right = (given == truth).all(axis=1) & ~lost
    several = comparison.activation == "sigmoid"
    probability, holds = (scores, truth) if several else (confidence[:, None], right[:, None])
    return Claims(np.where(lost, -1, label), confidence, given, right, probability, holds)
