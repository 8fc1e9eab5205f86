"""Several labels at once, label by label: which were given and which are true in, counts and F1 out. Pure numpy."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tritext_export.certificate.claims import Booleans


@dataclass(frozen=True, slots=True)
class Tally:
    """How often a model gives one label, and how often rightly.

    A text that is answered with NaN or infinity is given no label.

    Attributes:
        label: The label.
        true_positives: Texts that have it and are given it.
        false_positives: Texts that are given it and do not have it.
        false_negatives: Texts that have it and are not given it.
        true_negatives: Texts that neither have it nor are given it.
    """

    label: str
    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int

    @property
    def precision(self) -> float | None:
        """Share of the texts given it that have it; None where no text is given it."""
        return _share(self.true_positives, self.true_positives + self.false_positives)

    @property
    def recall(self) -> float | None:
        """Share of the texts that have it that are given it; None where no text has it."""
        return _share(self.true_positives, self.true_positives + self.false_negatives)

    @property
    def mistakes(self) -> int:
        """Texts about which it is wrong."""
        return self.false_positives + self.false_negatives


def tally(given: Booleans, truth: Booleans, labels: Sequence[str]) -> tuple[Tally, ...]:
    """Count, label by label.

    Args:
        given: Which labels the model gives, BOOL [texts, labels].
        truth: Which are true, BOOL [texts, labels].
        labels: Label names.
    """
    kinds = (given & truth, given & ~truth, ~given & truth, ~given & ~truth)
    counts = np.stack([kind.sum(axis=0) for kind in kinds], axis=1).tolist()
    return tuple(Tally(label, *count) for label, count in zip(labels, counts, strict=True))


def micro_f1(given: Booleans, truth: Booleans) -> float | None:
    """Give the F1 of all pairs of a text and a label, 0 to 1; None where no label is given and none is true."""
    return _share(2 * int((given & truth).sum()), int(given.sum()) + int(truth.sum()))


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
