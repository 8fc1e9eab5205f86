"""What the front tells Prometheus, on Triton's own ``/metrics``.

Triton's metrics count requests and time; these count what only the front knows: labels, scores, tokens. Each is
labelled with model and version. The stub reports each observation to the server by a message, so per-text values
are counted here and handed over once a batch.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tritext_serve.front.options import Options
from tritext_serve.front.pipeline import Outcome

SCORE_BOUNDS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
TOKEN_BOUNDS = (8, 16, 32, 64, 128, 256, 512)
DURATION_BOUNDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class BulkHistogram:
    """A Prometheus histogram that takes many values in few messages.

    Triton's own HISTOGRAM takes one value a message. A histogram on the wire is nothing but counters named
    ``_bucket``, ``_sum`` and ``_count``, so that is what this keeps: one increment for each bound that moved.
    """

    def __init__(
        self, pb_utils: Any, name: str, description: str, bounds: Sequence[float], labels: dict[str, str]
    ) -> None:
        counter = pb_utils.MetricFamily.COUNTER
        self._bounds = np.asarray(bounds, np.float64)
        families = [
            pb_utils.MetricFamily(name=f"{name}_{part}", description=description, kind=counter)
            for part in ("bucket", "sum", "count")
        ]
        self._families = families  # a metric dies with its family
        edges = [*(f"{bound:g}" for bound in bounds), "+Inf"]
        self._buckets = [families[0].Metric(labels=labels | {"le": edge}) for edge in edges]
        self._sum = families[1].Metric(labels=labels)
        self._count = families[2].Metric(labels=labels)

    def observe(self, values: npt.NDArray[Any]) -> None:
        """Count values [n] of any numeric type."""
        if values.size == 0:
            return
        places = np.searchsorted(self._bounds, values, side="left")
        cumulative = np.bincount(places, minlength=len(self._buckets)).cumsum()
        for bucket, count in zip(self._buckets, cumulative, strict=True):
            if count:
                bucket.increment(int(count))
        self._sum.increment(float(values.sum()))
        self._count.increment(int(values.size))


class FrontMetrics:
    """The metric families of one front model."""

    def __init__(self, pb_utils: Any, model: str, options: Options) -> None:
        """Register the families; Triton shares families of one name among models and instances."""
        own = {"model": model, "version": str(options.version)}

        def counter(name: str, description: str, **more: str) -> Any:
            family = pb_utils.MetricFamily(name=name, description=description, kind=pb_utils.MetricFamily.COUNTER)
            self._families.append(family)
            return family.Metric(labels=own | more)

        self._families: list[Any] = []
        self._requests = {
            outcome: counter("prediction_requests_total", "Requests answered, by outcome", outcome=outcome)
            for outcome in ("ok", "refused", "failed", "cancelled")
        }
        self._labels = [
            counter("prediction_labels_total", "Texts classified, by label", label=label) for label in options.labels
        ]
        self._truncated = counter("prediction_truncated_total", "Texts cut at the model's longest input")
        self._padding = counter("prediction_padding_tokens_total", "Padding tokens computed")
        self._scores = BulkHistogram(pb_utils, "sentiment_score", "Score of the label given", SCORE_BOUNDS, own)
        self._tokens = BulkHistogram(pb_utils, "prediction_tokens", "Tokens of a text", TOKEN_BOUNDS, own)
        self._duration = BulkHistogram(
            pb_utils, "prediction_duration_seconds", "Time in the front for each request", DURATION_BOUNDS, own
        )

    def count_requests(self, outcomes: Sequence[str], seconds: float) -> None:
        """Count requests by what became of them, each taking the batch's time."""
        for outcome in set(outcomes):
            self._requests[outcome].increment(outcomes.count(outcome))
        self._duration.observe(np.full(len(outcomes), seconds))

    def count_texts(self, outcome: Outcome) -> None:
        """Count what the texts were given."""
        rows = np.ones(len(outcome.answers.label_ids), np.bool_)
        rows[list(outcome.failures)] = False
        answers = outcome.answers
        counts = np.bincount(answers.label_ids[rows], minlength=len(self._labels))
        for metric, count in [
            *zip(self._labels, counts, strict=True),
            (self._truncated, answers.truncated[rows].sum()),
        ]:
            if count:
                metric.increment(int(count))
        if outcome.padding:
            self._padding.increment(outcome.padding)
        self._scores.observe(answers.score[rows])
        self._tokens.observe(answers.tokens[rows])
