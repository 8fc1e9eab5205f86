"""Is a probability of 0.9 right nine times in ten? Confidences and hits in, bins and one error out. Pure numpy.

The expected calibration error is the usual one: fifteen bins of equal width over the top probability, the distance of
each bin's accuracy from its mean confidence, weighted by how many texts fall into it. Where a text may have any number
of labels, pairs of a text and a label are counted instead: the label's probability, and whether the text has it.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BINS = 15


@dataclass(frozen=True, slots=True)
class Bin:
    """Texts, or pairs of a text and a label, whose probability lies in ``(lower, upper]``; the first bin holds 0 too.

    Attributes:
        lower: Where it begins.
        upper: Where it ends.
        texts: How many fall into it.
        confidence: Their mean probability; None in an empty bin.
        accuracy: Share of them whose label is true; None in an empty bin.
    """

    lower: float
    upper: float
    texts: int
    confidence: float | None
    accuracy: float | None


def reliability(confidence: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> tuple[Bin, ...]:
    """Sort claims into bins by their probability.

    Args:
        confidence: Probability of each claim, FP64 [claims]; one with NaN falls into no bin.
        right: Whether it is true, BOOL [claims].
    """
    known = np.isfinite(confidence)
    confidence, right = confidence[known], right[known]
    places = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    return tuple(_bin(place, confidence[places == place], right[places == place]) for place in range(BINS))


def calibration_error(bins: tuple[Bin, ...]) -> float | None:
    """Weigh the bins' distances from the diagonal, 0 to 1; None where all are empty."""
    texts = sum(b.texts for b in bins)
    if not texts:
        return None
    filled = [(b.texts, b.accuracy, b.confidence) for b in bins]
    return sum(n * abs(hit - sure) for n, hit, sure in filled if hit is not None and sure is not None) / texts


def _bin(place: int, confidence: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> Bin:
    edges = place / BINS, (place + 1) / BINS
    if not len(confidence):
        return Bin(*edges, 0, None, None)
    return Bin(*edges, len(confidence), float(confidence.mean()), float(right.mean()))
