"""What a run adds up to: records in, counts, percentiles and a course over time out. Pure."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tritext_loadtest.records import Outcome, Record
from tritext_loadtest.statistics import percentile

# As many points as a plot shows well.
MOST_BINS = 120


@dataclass(frozen=True, slots=True)
class Spread:
    """Latencies of answered requests, in milliseconds from when each was to be sent."""

    p50: float
    p90: float
    p95: float
    p99: float
    most: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Spread | None":
        """Take percentiles; None of nothing."""
        if not seconds:
            return None
        ordered = sorted(seconds)
        return cls(*(1e3 * percentile(ordered, share) for share in (0.5, 0.9, 0.95, 0.99, 1.0)))


@dataclass(frozen=True, slots=True)
class Moment:
    """A stretch of the run, by when requests were to be sent.

    Attributes:
        seconds: Its middle.
        offered: Texts a second that were to be sent.
        answered: Texts a second of those that were answered.
        refused: Texts a second of those that were not.
        latency: Of those that were; None where none was.
    """

    seconds: float
    offered: float
    answered: float
    refused: float
    latency: Spread | None


@dataclass(frozen=True, slots=True)
class Totals:
    """A whole run.

    Attributes:
        requests: How many were to be sent.
        texts: In them.
        seconds: From the start to the last answer, or the end of the schedule.
        outcomes: Requests by how they ended.
        answered_texts: Texts that were answered.
        wrong: Answers with another label than expected.
        ties: Answers with another label that is as good.
        latency: Of answered requests; None where there is none.
        rejection: How long rejected requests waited; None where there is none.
        lateness_p99: Milliseconds by which this side sent late.
        lateness_most: The same, at most.
    """

    requests: int
    texts: int
    seconds: float
    outcomes: dict[str, int]
    answered_texts: int
    wrong: int
    ties: int
    latency: Spread | None
    rejection: Spread | None
    lateness_p99: float
    lateness_most: float

    def count(self, *outcomes: Outcome) -> int:
        """Count requests that ended so."""
        return sum(self.outcomes.get(outcome, 0) for outcome in outcomes)

    @property
    def error_rate(self) -> float:
        """Share of the requests that failed, came too late, or could not even be sent."""
        return self.count(Outcome.FAILED, Outcome.LATE, Outcome.SHED) / max(1, self.requests)

    @property
    def rejected_share(self) -> float:
        """Share of the requests that the server refused for being full."""
        return self.count(Outcome.REJECTED) / max(1, self.requests)

    @property
    def texts_per_second(self) -> float:
        """Texts answered, over the whole run."""
        return self.answered_texts / self.seconds if self.seconds else 0.0


@dataclass
class Ledger:
    """Records as they come, with what a live display wants of them: texts answered, wrong labels, requests refused."""

    records: list[Record] = field(default_factory=list)
    answered_texts: int = 0
    wrong: int = 0
    refused: int = 0

    def add(self, records: Iterable[Record]) -> None:
        """Take more."""
        for record in records:
            self.records.append(record)
            self.wrong += record.wrong
            answered = record.outcome is Outcome.ANSWERED
            self.answered_texts += record.texts if answered else 0
            self.refused += not answered

    def totals(self, seconds: float) -> Totals:
        """Add everything up.

        Args:
            seconds: How long requests were sent.
        """
        sent = [r for r in self.records if r.outcome is not Outcome.SHED]
        late = [r.lateness for r in sent] or [0.0]
        ended = max((r.intended + r.latency for r in sent), default=0.0)
        return Totals(
            requests=len(self.records),
            texts=sum(r.texts for r in self.records),
            seconds=max(seconds, ended),
            outcomes=dict(Counter(r.outcome.value for r in self.records)),
            answered_texts=self.answered_texts,
            wrong=self.wrong,
            ties=sum(r.ties for r in self.records),
            latency=_spread(self.records, Outcome.ANSWERED),
            rejection=_spread(self.records, Outcome.REJECTED),
            lateness_p99=1e3 * percentile(late, 0.99),
            lateness_most=1e3 * max(late),
        )

    def course(self, seconds: float) -> list[Moment]:
        """Cut the run into stretches of whole seconds, at most 120 of them."""
        width = max(1, math.ceil(seconds / MOST_BINS))
        bins: dict[int, list[Record]] = {}
        for record in self.records:
            bins.setdefault(int(record.intended // width), []).append(record)
        return [
            _moment(records, number * width, min(width, seconds - number * width))
            for number, records in sorted(bins.items())
        ]


def _spread(records: Iterable[Record], outcome: Outcome) -> Spread | None:
    return Spread.of([r.latency for r in records if r.outcome is outcome])


def _moment(records: Sequence[Record], start: float, width: float) -> Moment:
    width = max(width, 1e-3)
    offered = sum(r.texts for r in records)
    answered = sum(r.texts for r in records if r.outcome is Outcome.ANSWERED)
    return Moment(
        seconds=start + width / 2,
        offered=offered / width,
        answered=answered / width,
        refused=(offered - answered) / width,
        latency=_spread(records, Outcome.ANSWERED),
    )
