"""What a bad export looks like from outside: readings in, the likely cause in words out. Pure numpy.

A guess that helps the reader, never a reason to pass or to refuse.
"""

import numpy as np

from tritext_export.certificate.comparison import Comparison, Doubles

# Each pattern must explain this share of what is wrong before it is named.
EXPLAINED = 0.99
MIN_TEXTS = 4


def diagnose(comparison: Comparison) -> str:
    """Name the likely cause; empty where none of the known ones fits."""
    logits = comparison.alone.astype(np.float64)
    reference = comparison.reference.astype(np.float64)
    runs = np.stack(list(comparison.runs.values()))
    if not np.isfinite(runs).all():
        return _overflow(runs)
    if len(logits) < MIN_TEXTS:
        return ""
    return _swapped(logits, reference, comparison.labels) or _scaled(logits, reference)


def _overflow(runs: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> str:
    kinds = [name for name, there in (("NaN", np.isnan(runs).any()), ("infinity", np.isinf(runs).any())) if there]
    return f"{' and '.join(kinds)} in the logits: a number overflowed on the way, as fp16 does beyond 65,504"


def _swapped(logits: Doubles, reference: Doubles, labels: object) -> str:
    """Look for an order of the columns under which both agree."""
    names = list(labels) if isinstance(labels, tuple | list) else []
    # The mean square of every column less every other, without an array of texts × labels × labels.
    squares = (logits**2).mean(axis=0)[:, None] + (reference**2).mean(axis=0)[None]
    distances = np.maximum(squares - 2 * logits.T @ reference / len(logits), 0)
    order = distances.argmin(axis=1)
    columns = np.arange(len(order))
    if (order == columns).all() or len(set(order.tolist())) < len(order):
        return ""
    if distances[columns, order].sum() > (1 - EXPLAINED) * distances[columns, columns].sum():
        return ""
    place = int(np.flatnonzero(order != columns)[0])
    return f"the labels are swapped: where the checkpoint says {names[order[place]]!r} the export says {names[place]!r}"


def _scaled(logits: Doubles, reference: Doubles) -> str:
    """Look for one factor between both, measured from each column's mean."""
    ours, theirs = logits - logits.mean(axis=0), reference - reference.mean(axis=0)
    energy = float((theirs**2).sum())
    if not energy or not float((ours**2).sum()):
        return "the export answers every text alike" if energy else ""
    factor = float((ours * theirs).sum()) / energy
    unexplained = float(((ours - factor * theirs) ** 2).sum() / (ours**2).sum())
    if unexplained > 1 - EXPLAINED or abs(factor - 1) < 0.05:
        return ""
    return f"the logits are {factor:.2g} times the checkpoint's: a scale in the last layer is wrong"
