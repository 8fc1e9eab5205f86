"""The figures of a certificate: readings in, one set of figures for all texts, each length and each batch size out.

Every figure of the export is that of its worst run: a model that answers well alone and badly beside others is judged
as it answers beside others.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tritext_export.certificate.calibration import Bin, calibration_error, reliability
from tritext_export.certificate.claims import Claims
from tritext_export.certificate.readings import Readings
from tritext_export.certificate.tallies import micro_f1

LENGTH_BUCKETS = (8, 16, 32, 64, 128, 256, 512)
Rows = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """How an export compares with its checkpoint on some texts.

    Attributes:
        texts: How many.
        agreement: Share of texts with the checkpoint's label; None for regression, which has no labels.
        unstable: Texts whose label differs from one batch size to another.
        broken: Texts that the export answers with NaN or infinity in any run.
        max_probability_difference: Largest difference of any probability; for regression of any output, in standard
            deviations of the checkpoint's outputs. NaN where the export gives NaN or infinity, as are the next three.
        mean_probability_difference: Mean over the texts of each one's largest difference.
        max_logit_difference: Largest difference of any logit.
        max_batch_difference: Largest change of any probability from one batch size to another.
        checkpoint_accuracy: Share of texts to which the checkpoint gives the true label, of several at once exactly the
            true ones; None for regression.
        export_accuracy: The same for the export.
        checkpoint_calibration_error: Expected calibration error of the checkpoint; None for regression.
        export_calibration_error: The same for the export; None also where every text is broken.
        checkpoint_f1: Micro-averaged F1 of the checkpoint's labels where it gives several at once; None elsewhere, and
            where it gives none and none is true.
        export_f1: The same for the export.
    """

    texts: int
    agreement: float | None
    unstable: int
    broken: int
    max_probability_difference: float
    mean_probability_difference: float
    max_logit_difference: float
    max_batch_difference: float
    checkpoint_accuracy: float | None
    export_accuracy: float | None
    checkpoint_calibration_error: float | None
    export_calibration_error: float | None
    checkpoint_f1: float | None = None
    export_f1: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket(Figures):
    """Texts of like length, in all runs.

    Attributes:
        longest: Most tokens in the bucket.
    """

    longest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch(Figures):
    """All texts, in one run.

    Attributes:
        size: Texts that were asked for together.
    """

    size: int


def measure(readings: Readings, rows: Rows | None = None, runs: Rows | None = None) -> dict[str, Any]:
    """Give the figures of some texts in some runs, by their names in ``Figures``.

    Args:
        readings: What was read.
        rows: Positions of the texts; all where it is None.
        runs: Positions of the runs; all where it is None.
    """
    rows = np.arange(len(readings.lengths)) if rows is None else rows
    runs = np.arange(len(readings.sizes)) if runs is None else runs
    both = np.ix_(runs, rows)
    classified = readings.truth is not None
    several = len(runs) > 1
    difference = readings.difference[both]
    return {
        "texts": len(rows),
        "agreement": float(readings.agree[both].mean(axis=1).min()) if classified else None,
        "unstable": int(readings.unstable[rows].sum()) if several else 0,
        "broken": int(readings.broken[both].any(axis=0).sum()),
        "max_probability_difference": float(difference.max()),
        "mean_probability_difference": float(difference.mean(axis=1).max()),
        "max_logit_difference": float(readings.logit_difference[both].max()),
        "max_batch_difference": float(readings.spread[rows].max()) if several else 0.0,
        **_accuracies(readings, rows, runs),
        **_calibration_errors(readings, rows, runs),
        **_f1s(readings, rows, runs),
    }


def buckets(readings: Readings) -> tuple[Bucket, ...]:
    """Give the figures by length, shortest first."""
    places = np.searchsorted(LENGTH_BUCKETS, readings.lengths)
    groups = (np.flatnonzero(places == place) for place in np.unique(places))
    return tuple(Bucket(longest=int(readings.lengths[rows].max()), **measure(readings, rows)) for rows in groups)


def batches(readings: Readings) -> tuple[Batch, ...]:
    """Give the figures by batch size, smallest first."""
    runs = enumerate(readings.sizes)
    return tuple(Batch(size=size, **measure(readings, runs=np.array([run]))) for run, size in runs)


def worst_run(readings: Readings) -> int:
    """Find the run with the least agreement, then the least accuracy, then the largest difference."""
    right = _right(readings).sum(axis=1)
    difference = np.nan_to_num(readings.difference, nan=np.inf).max(axis=1)
    order = np.lexsort((-difference, right, readings.agree.sum(axis=1)))
    return int(order[0])


def checkpoint_bins(readings: Readings, rows: Rows | slice = slice(None)) -> tuple[Bin, ...]:
    """Give the checkpoint's reliability on some texts; nothing for regression."""
    return _bins(readings, readings.checkpoint, rows)


def export_bins(readings: Readings, run: int, rows: Rows | slice = slice(None)) -> tuple[Bin, ...]:
    """Give the export's reliability on some texts in one run; nothing for regression."""
    return _bins(readings, readings.exports[run], rows)


def _bins(readings: Readings, claims: Claims, rows: Rows | slice) -> tuple[Bin, ...]:
    if readings.truth is None:
        return ()
    return reliability(claims.probability[rows].ravel(), claims.holds[rows].ravel())


def _right(readings: Readings) -> npt.NDArray[np.bool_]:
    return np.stack([claims.right for claims in readings.exports])


def _accuracies(readings: Readings, rows: Rows, runs: Rows) -> dict[str, float | None]:
    if readings.truth is None:
        return {"checkpoint_accuracy": None, "export_accuracy": None}
    return {
        "checkpoint_accuracy": float(readings.checkpoint.right[rows].mean()),
        "export_accuracy": float(_right(readings)[np.ix_(runs, rows)].mean(axis=1).min()),
    }


def _calibration_errors(readings: Readings, rows: Rows, runs: Rows) -> dict[str, float | None]:
    after = [calibration_error(export_bins(readings, int(run), rows)) for run in runs]
    return {
        "checkpoint_calibration_error": calibration_error(checkpoint_bins(readings, rows)),
        "export_calibration_error": max((e for e in after if e is not None), default=None),
    }


def _f1s(readings: Readings, rows: Rows, runs: Rows) -> dict[str, float | None]:
    if readings.truth is None or not readings.several:
        return {"checkpoint_f1": None, "export_f1": None}
    truth = readings.truth[rows]
    after = [micro_f1(readings.exports[int(run)].given[rows], truth) for run in runs]
    return {
        "checkpoint_f1": micro_f1(readings.checkpoint.given[rows], truth),
        "export_f1": min((f1 for f1 in after if f1 is not None), default=None),
    }
