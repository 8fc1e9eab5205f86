"""How much noise the labels bear: the margins of the checkpoint's decisions in, the share that will hold out. Pure.

Rounding moves a text's logits by something like normal noise. A label flips where the noise is larger than the
margin of the decision, so the margins on calibration texts and the noise of the whole predict the agreement.
"""

import math

import numpy as np
import numpy.typing as npt

from tritext_export.certificate import Activation

FloatArray = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
# For regression, where no label can flip: noise a text, in standard deviations of the outputs.
REGRESSION_NOISE = 0.05
_SILENCE = 1e-12


def margins(logits: FloatArray, activation: Activation) -> Doubles:
    """How far each text is from another decision: the gap of the two largest logits, or the logit nearest to zero.

    Args:
        logits: FP32 [texts, labels].
        activation: Softmax, sigmoid or none; for none, one label, the margin is what noise is measured in.

    Returns:
        FP64 [texts].
    """
    if activation == "none":
        return np.full(len(logits), REGRESSION_NOISE * max(float(logits.std()), 1e-9))
    if activation == "sigmoid" or logits.shape[1] == 1:
        nearest: Doubles = np.abs(logits.astype(np.float64)).min(axis=1)
        return nearest
    top = np.sort(logits.astype(np.float64), axis=1)
    gaps: Doubles = top[:, -1] - top[:, -2]
    return gaps


def measure_noise(reference: FloatArray, logits: FloatArray, activation: Activation) -> float:
    """Root mean square of the change in what the margins measure, over the half of the texts with the smaller margins.

    Those are the texts that may flip, and rounding moves them more than the others: a text that the model is sure of
    lies where its answer is flat.

    Args:
        reference: FP32 [texts, labels].
        logits: The same texts with some layers rounded.
        activation: As for ``margins``.
    """
    margin = margins(reference, activation)
    unsure = margin <= np.median(margin)
    reference, logits = reference[unsure], logits[unsure]
    change = (logits - reference).astype(np.float64)
    if activation == "softmax" and logits.shape[1] > 1:
        order = np.argsort(reference, axis=1)
        rows = np.arange(len(change))
        change = change[rows, order[:, -1]] - change[rows, order[:, -2]]
    return float(np.sqrt(np.mean(change**2)))


def predict_agreement(margin: Doubles, noise: float) -> float:
    """The share of decisions that normal noise leaves alone.

    Args:
        margin: Of each text.
        noise: Its standard deviation.
    """
    if noise < _SILENCE:
        return 1.0
    flips = [0.5 * math.erfc(m / noise / math.sqrt(2)) for m in margin]
    return 1 - sum(flips) / len(flips)
