"""A comparison read text by text and run by run: logits in, agreement, differences and confidences out. Pure numpy."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tritext_export.certificate.claims import Booleans, Claims, claim, true_labels
from tritext_export.certificate.comparison import Comparison, Doubles, FloatArray, broken
from tritext_export.errors import CertificateError


@dataclass(frozen=True, slots=True)
class Readings:
    """Everything that a figure is made of; axis "runs" follows ``sizes``.

    Attributes:
        sizes: Batch size of each run, ascending.
        lengths: Tokens, INT64 [texts].
        agree: Whether the export gives the checkpoint's label, BOOL [runs, texts].
        unstable: Whether the label differs between runs, BOOL [texts].
        broken: Whether the export gives NaN or infinity, BOOL [runs, texts].
        difference: Largest difference of any score of a text, FP64 [runs, texts].
        logit_difference: Largest difference of any logit of a text, FP64 [runs, texts].
        spread: Largest change of any score of a text between runs, FP64 [texts].
        several: Whether a text may have any number of labels.
        truth: The true labels, BOOL [texts, labels]; None for regression.
        checkpoint: What the checkpoint says of each text.
        exports: What the export says, run by run.
    """

    sizes: tuple[int, ...]
    lengths: npt.NDArray[np.int64]
    agree: Booleans
    unstable: Booleans
    broken: Booleans
    difference: Doubles
    logit_difference: Doubles
    spread: Doubles
    several: bool
    truth: Booleans | None
    checkpoint: Claims
    exports: tuple[Claims, ...]


def read(comparison: Comparison) -> Readings:
    """Read a comparison.

    Raises:
        CertificateError: there is nothing to compare, or the checkpoint itself answers NaN or infinity.
        TextsError: a text carries a label that the model does not know.
    """
    _require_comparable(comparison)
    sizes = tuple(sorted(comparison.runs))
    runs = np.stack([comparison.runs[size] for size in sizes])
    before, decided = comparison.scores(comparison.reference), comparison.decisions(comparison.reference)
    after = np.stack([comparison.scores(run) for run in runs])
    decisions = np.stack([comparison.decisions(run) for run in runs])
    unsound = np.stack([broken(run) for run in runs])
    with np.errstate(invalid="ignore"):
        difference = np.abs(after - before).max(axis=2)
        logit_difference = np.abs(runs.astype(np.float64) - comparison.reference).max(axis=2)
        spread = np.ptp(after, axis=0).max(axis=1)
    truth = true_labels(comparison)
    return Readings(
        sizes=sizes,
        lengths=np.asarray(comparison.lengths, np.int64),
        agree=(decisions == decided).all(axis=2) & ~unsound,
        unstable=(decisions != decisions[0]).any(axis=(0, 2)),
        broken=unsound,
        difference=np.where(unsound, np.nan, difference),
        logit_difference=logit_difference,
        spread=spread,
        several=comparison.activation == "sigmoid",
        truth=truth,
        checkpoint=claim(comparison, comparison.reference, truth),
        exports=tuple(claim(comparison, run, truth) for run in runs),
    )


def _require_comparable(comparison: Comparison) -> None:
    reference: FloatArray = comparison.reference
    if not len(reference) or not comparison.runs:
        raise CertificateError("there is nothing to compare: give at least one text")
    for size, run in comparison.runs.items():
        if run.shape != reference.shape:
            raise CertificateError(
                f"in batches of {size} the export answers {run.shape}, the checkpoint {reference.shape}: texts × labels"
            )
    unsound = np.flatnonzero(broken(reference))
    if len(unsound):
        raise CertificateError(
            f"the checkpoint itself answers NaN or infinity, first to {comparison.examples[unsound[0]].text!r}: "
            "there is nothing to compare with; mend the checkpoint or drop the text"
        )
