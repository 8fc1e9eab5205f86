"""What changed, text by text and label by label: flips and confusion matrices. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tritext_export.certificate.claims import Booleans, Claims
from tritext_export.certificate.comparison import Comparison
from tritext_export.certificate.readings import Readings

MAX_FLIPS_LISTED = 50
NOT_A_NUMBER = "NaN or infinity"
NO_LABEL = "(no label)"


@dataclass(frozen=True, slots=True)
class Flip:
    """A text whose label changed in at least one run.

    Attributes:
        text: The text.
        pair: The second text, where the model reads two.
        true_label: What the file calls it; several labels are joined by " + ".
        checkpoint: The checkpoint's label, of several at once all that reach one half, the likeliest first.
        checkpoint_score: Its probability, of several the likeliest one's.
        export: The export's label, in the smallest batches in which it differs.
        export_score: Its probability; None where the export answers NaN or infinity.
        batch_sizes: The sizes at which it differs.
        unstable: Whether the export's own label differs between runs.
        checkpoint_scores: Where a model gives several labels at once, the checkpoint's probability of every label that
            either of both gives or finds likeliest, the checkpoint's likeliest first; None for other models.
        export_scores: The export's, of the same labels; None also where it answers NaN or infinity.
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
    checkpoint_scores: dict[str, float] | None = None
    export_scores: dict[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """One field of a confusion matrix that is not zero.

    Attributes:
        true: The label in the file; several are joined by " + ".
        given: The model's, of several at once the likeliest, which is the one that the front calls its label.
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


def confusion(given: npt.NDArray[np.int64], truth: Booleans | None, labels: tuple[str, ...]) -> tuple[Cell, ...]:
    """Count the texts by their true and their given label; nothing for regression.

    Args:
        given: Positions of the given labels, -1 for none, INT64 [texts].
        truth: The true ones, BOOL [texts, labels].
        labels: Label names.
    """
    if truth is None:
        return ()
    sets = [tuple(np.flatnonzero(row).tolist()) for row in truth]
    counts = Counter(zip(sets, given.tolist(), strict=True))
    return tuple(
        Cell(_joined([labels[i] for i in true]), labels[label] if label >= 0 else NOT_A_NUMBER, texts)
        for (true, label), texts in sorted(counts.items())
    )


def _flip(comparison: Comparison, readings: Readings, row: int) -> Flip:
    differs = ~readings.agree[:, row] if readings.truth is not None else readings.broken[:, row]
    run = int(differs.argmax())
    example = comparison.examples[row]
    logits = comparison.runs[readings.sizes[run]][row]
    lost = bool(readings.broken[run, row])
    before, after = readings.checkpoint, readings.exports[run]
    shown = _labels_of_either(before, after, row) if readings.several else None
    return Flip(
        text=example.text,
        pair=example.pair,
        true_label=_joined(example.label_set),
        checkpoint=comparison.name_label(comparison.reference[row]),
        checkpoint_score=float(before.confidence[row]),
        export=NOT_A_NUMBER if lost else comparison.name_label(logits),
        export_score=None if lost else float(after.confidence[row]),
        batch_sizes=tuple(size for size, different in zip(readings.sizes, differs, strict=True) if different),
        unstable=bool(readings.unstable[row]),
        checkpoint_scores=None if shown is None else _scores(before, row, shown, comparison.labels),
        export_scores=None if shown is None or lost else _scores(after, row, shown, comparison.labels),
    )


def _labels_of_either(before: Claims, after: Claims, row: int) -> list[int]:
    """Find the labels that either model gives a text or finds likeliest, the checkpoint's likeliest first."""
    tops = {int(claims.label[row]) for claims in (before, after)} - {-1}
    places = tops.union(np.flatnonzero(before.given[row] | after.given[row]).tolist())
    return sorted(places, key=lambda i: (-before.probability[row, i], i))


def _scores(claims: Claims, row: int, places: Sequence[int], labels: Sequence[str]) -> dict[str, float]:
    return {labels[i]: float(claims.probability[row, i]) for i in places}


def _joined(names: Sequence[str]) -> str:
    return " + ".join(names) or NO_LABEL
