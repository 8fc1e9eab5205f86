"""What changed, text by text and label by label: flips and confusion matrices. Pure."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tritext_export.certificate.comparison import Comparison
from tritext_export.certificate.readings import Readings

MAX_FLIPS_LISTED = 50
NOT_A_NUMBER = "NaN or infinity"


@dataclass(frozen=True, slots=True)
class Flip:
    """A text whose label changed in at least one run.

    Attributes:
        text: The text.
        pair: The second text, where the model reads two.
        true_label: What the file calls it.
        checkpoint: The checkpoint's label.
        checkpoint_score: Its probability.
        export: The export's label, in the smallest batches in which it differs.
        export_score: Its probability; None where the export answers NaN or infinity.
        batch_sizes: The sizes at which it differs.
        unstable: Whether the export's own label differs between runs.
    """

    text: str
    pair: str | None
    true_label: str
    checkpoint: str
    checkpoint_score: float
    export: str
    export_score: float | None
    batch_sizes: tuple[int, ...]
    unstable: bool


@dataclass(frozen=True, slots=True)
class Cell:
    """One field of a confusion matrix that is not zero.

    Attributes:
        true: The label in the file.
        given: The model's.
        texts: How many texts have both.
    """

    true: str
    given: str
    texts: int


def flipped(readings: Readings) -> npt.NDArray[np.intp]:
    """Find the texts whose label changed in any run."""
    if readings.truth is None:
        return np.flatnonzero(readings.broken.any(axis=0))
    return np.flatnonzero(~readings.agree.all(axis=0))


def flips(comparison: Comparison, readings: Readings) -> tuple[Flip, ...]:
    """List the first fifty of them."""
    return tuple(_flip(comparison, readings, int(row)) for row in flipped(readings)[:MAX_FLIPS_LISTED])


def confusion(
    given: npt.NDArray[np.int64], truth: npt.NDArray[np.int64] | None, labels: tuple[str, ...]
) -> tuple[Cell, ...]:
    """Count the texts by their true and their given label; nothing for regression.

    Args:
        given: Positions of the given labels, -1 for none, INT64 [texts].
        truth: Positions of the true ones, INT64 [texts].
        labels: Label names.
    """
    if truth is None:
        return ()
    counts = Counter(zip(truth.tolist(), given.tolist(), strict=True))
    return tuple(
        Cell(labels[true], labels[label] if label >= 0 else NOT_A_NUMBER, texts)
        for (true, label), texts in sorted(counts.items())
    )


def _flip(comparison: Comparison, readings: Readings, row: int) -> Flip:
    differs = ~readings.agree[:, row] if readings.truth is not None else readings.broken[:, row]
    run = int(differs.argmax())
    example = comparison.examples[row]
    logits = comparison.runs[readings.sizes[run]][row]
    lost = bool(readings.broken[run, row])
    return Flip(
        text=example.text,
        pair=example.pair,
        true_label=example.label,
        checkpoint=comparison.name_label(comparison.reference[row]),
        checkpoint_score=float(readings.checkpoint_confidence[row]),
        export=NOT_A_NUMBER if lost else comparison.name_label(logits),
        export_score=None if lost else float(readings.export_confidence[run, row]),
        batch_sizes=tuple(size for size, different in zip(readings.sizes, differs, strict=True) if different),
        unstable=bool(readings.unstable[row]),
    )
