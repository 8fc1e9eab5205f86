"""What the front counts: outcomes in, increments of Prometheus counters out. Pure but for a lock.

Each message from a backend's stub to the server costs about 30 microseconds of CPU, so nothing is reported text by
text: batches are kept here, added up and handed over now and then. A histogram on the wire is nothing but counters
named ``_bucket``, ``_sum`` and ``_count``, and that is how they are kept.
"""

import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tritext_serve.front.pipeline import Outcome

TOLD_OUTCOMES = ("sent", "dropped", "unheard")
REQUEST_OUTCOMES = ("ok", "refused", "failed", "cancelled", "expired", "rejected")
# Batches that may wait to be counted: one second's, and a bound on memory should nobody ask for counts.
MOST_WAITING = 1024
SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
HISTOGRAMS: dict[str, tuple[float, ...]] = {
    "sentiment_score": (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0),
    "prediction_tokens": (8, 16, 32, 64, 128, 256, 512),
    "prediction_duration_seconds": SECONDS,
    "prediction_queue_seconds": SECONDS,
    "prediction_batch_texts": (1, 2, 4, 8, 16, 32, 64, 128, 256),
}
DESCRIPTIONS = {
    "prediction_requests_total": "Requests answered, by outcome",
    "prediction_labels_total": "Texts classified, by label",
    "prediction_truncated_total": "Texts cut at the model's longest input",
    "prediction_padding_tokens_total": "Padding tokens that dense layers computed",
    "prediction_told_total": "Texts told to the listener that compares deployments, by outcome",
    "sentiment_score": "Score of the label given",
    "prediction_tokens": "Tokens of a text",
    "prediction_duration_seconds": "Time a request spent in the front, its queue counted",
    "prediction_queue_seconds": "Time a request waited in the front's queue",
    "prediction_batch_texts": "Texts classified together",
}


class Series(NamedTuple):
    """One counter.

    Attributes:
        family: Its name.
        label: Name of the label that tells it from others of the family; "" where there is none.
        value: That label's value.
    """

    family: str
    label: str = ""
    value: str = ""

    @property
    def description(self) -> str:
        """What the family counts."""
        base = self.family
        for ending in ("_bucket", "_sum", "_count"):
            base = base.removesuffix(ending)
        return DESCRIPTIONS[base]


class Batch(NamedTuple):
    """What ``Tally.count`` was told."""

    requests: Sequence[str]
    durations: Sequence[float]
    waits: Sequence[float]
    outcome: Outcome


class Tally:
    """Outcomes that have not been reported yet; they are counted when they are asked for, not while requests wait."""

    def __init__(self, labels: Sequence[str], probable: bool = True, told: bool = False) -> None:
        """Start at nothing.

        Args:
            labels: The model's label names.
            probable: Whether scores are probabilities; those of a regression, which may be negative, are not counted.
            told: Whether a listener is told of the answers.
        """
        self._labels = labels
        self._told = TOLD_OUTCOMES if told else ()
        self._histograms = {n: b for n, b in HISTOGRAMS.items() if probable or n != "sentiment_score"}
        self._counts: defaultdict[Series, float] = defaultdict(float)
        self._batches: list[Batch] = []
        self._lock = threading.Lock()

    def series(self) -> Iterator[Series]:
        """List every counter that there can be."""
        yield from (Series("prediction_requests_total", "outcome", outcome) for outcome in REQUEST_OUTCOMES)
        yield from (Series("prediction_labels_total", "label", label) for label in self._labels)
        yield from (Series("prediction_told_total", "outcome", outcome) for outcome in self._told)
        yield Series("prediction_truncated_total")
        yield Series("prediction_padding_tokens_total")
        for name, bounds in self._histograms.items():
            yield from (Series(f"{name}_bucket", "le", edge) for edge in _edges(bounds))
            yield from (Series(f"{name}_sum"), Series(f"{name}_count"))

    def count(
        self, requests: Sequence[str], durations: Sequence[float], waits: Sequence[float], outcome: Outcome
    ) -> None:
        """Count one batch.

        Args:
            requests: What became of each request, one of ``REQUEST_OUTCOMES``.
            durations: Seconds from each request's arrival to its answer.
            waits: Seconds that each spent in the queue; none for those that were never in it.
            outcome: What became of the texts; those that failed count for nothing.
        """
        with self._lock:
            self._batches.append(Batch(requests, durations, waits, outcome))
            if len(self._batches) >= MOST_WAITING:
                self._add_up()

    def count_told(self, outcome: str, texts: int) -> None:
        """Count texts told, or not told, to the listener that compares deployments."""
        with self._lock:
            self._counts[Series("prediction_told_total", "outcome", outcome)] += texts

    def drain(self) -> list[tuple[Series, float]]:
        """Hand over what has been counted since the last time, all of it above nought.

        Told to let a counter go down, Triton 24.10 ends (``lock_exception``); nor may it count what is not a number.
        """
        with self._lock:
            self._add_up()
            counts, self._counts = self._counts, defaultdict(float)
        return [(series, count) for series, count in counts.items() if count > 0]

    def _add_up(self) -> None:
        """Count the batches that wait for it."""
        batches, self._batches = self._batches, []
        if not batches:
            return
        for outcome, count in Counter(chain.from_iterable(batch.requests for batch in batches)).items():
            self._counts[Series("prediction_requests_total", "outcome", outcome)] += count
        self._observe("prediction_duration_seconds", _joined(batch.durations for batch in batches))
        self._observe("prediction_queue_seconds", _joined(batch.waits for batch in batches))
        sizes = np.array([len(batch.outcome.answers.tokens) for batch in batches])
        self._observe("prediction_batch_texts", sizes[sizes > 0])
        self._counts[Series("prediction_padding_tokens_total")] += sum(batch.outcome.padding for batch in batches)
        self._count_texts([batch.outcome for batch in batches])

    def _count_texts(self, outcomes: Sequence[Outcome]) -> None:
        answered = np.concatenate([_answered(outcome) for outcome in outcomes])
        ids, truncated, scores, tokens = (
            np.concatenate([getattr(outcome.answers, name) for outcome in outcomes])[answered]
            for name in ("label_ids", "truncated", "score", "tokens")
        )
        for label, count in zip(self._labels, np.bincount(ids, minlength=len(self._labels)).tolist(), strict=True):
            self._counts[Series("prediction_labels_total", "label", label)] += count
        self._counts[Series("prediction_truncated_total")] += int(truncated.sum())
        self._observe("sentiment_score", scores)
        self._observe("prediction_tokens", tokens)

    def _observe(self, name: str, values: npt.NDArray[Any]) -> None:
        if name not in self._histograms:
            return
        bounds = self._histograms[name]
        places = np.searchsorted(bounds, values, side="left")
        for edge, count in zip(_edges(bounds), np.bincount(places, minlength=len(bounds) + 1).cumsum(), strict=True):
            self._counts[Series(f"{name}_bucket", "le", edge)] += int(count)
        self._counts[Series(f"{name}_sum")] += float(values[np.isfinite(values)].sum(dtype=np.float64))
        self._counts[Series(f"{name}_count")] += len(values)


def _answered(outcome: Outcome) -> npt.NDArray[np.bool_]:
    """Which texts have an answer, BOOL [texts]."""
    rows = np.ones(len(outcome.answers.tokens), np.bool_)
    rows[list(outcome.failures)] = False
    return rows


def _joined(lists: Iterable[Sequence[float]]) -> npt.NDArray[np.float64]:
    return np.fromiter(chain.from_iterable(lists), np.float64)


def _edges(bounds: Sequence[float]) -> list[str]:
    return [*(f"{bound:g}" for bound in bounds), "+Inf"]
