"""A run as its reports tell it: figures, checks and a verdict; from what happened, to JSON. Pure."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any

from tritext_loadtest.ledger import Moment, Totals
from tritext_loadtest.memory import Growth, came_and_went, growths, worst_slope
from tritext_loadtest.metrics import Counters
from tritext_loadtest.plan import Plan
from tritext_loadtest.session import Run
from tritext_loadtest.slo import Check, check
from tritext_loadtest.watch import Sample

SCHEMA = 1
# Of a p99 latency of seconds, a twentieth does not matter.
LATENESS_SHARE = 0.05


class Exit(IntEnum):
    """What the command ends with."""

    HELD = 0
    BROKEN = 1
    USAGE = 2
    VOID = 3
    INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Subject:
    """What was loaded, and how.

    Attributes:
        scenario: Its name.
        model: The front's name.
        version: The version that answered.
        urls: Where requests went.
        rate: Texts a second asked for.
        seconds: How long requests were to be sent.
        seed: Of the schedule.
        processes: How many sent.
        texts: Different texts that were sent.
        certified: How many of them the certificate knows.
        started: UTC time, ISO 8601.
        metrics: Where the server's metrics were looked for.
    """

    scenario: str
    model: str
    version: str
    urls: tuple[str, ...]
    rate: float
    seconds: float
    seed: int
    processes: int
    texts: int
    certified: int
    started: str
    metrics: str = ""


@dataclass(frozen=True, slots=True)
class Served:
    """What the server's own metrics say of a stretch.

    Attributes:
        seconds: Its middle, after the start.
        models: By model, what it did in it.
    """

    seconds: float
    models: Mapping[str, Counters]


@dataclass(frozen=True, slots=True)
class Result:
    """A run and its verdict.

    Attributes:
        subject: What was loaded.
        totals: What became of the requests.
        checks: The objectives.
        course: The run over time, by when requests were to be sent.
        served: The server's metrics over time; empty where they could not be had.
        served_totals: The same over the whole run, by model.
        memory: The server's processes; empty where it ran on another machine.
        restarted: How many of them did not live all the while.
        wrong: Wrong labels, some of them in full.
        errors: What requests failed with, different words once.
        generator_cores: CPU time of this side, in cores.
        void: Why the run says nothing of the server; empty where it does.
        interrupted: Whether somebody ended it early.
        memory_course: Resident MiB of each process over time, by its number.
    """

    subject: Subject
    totals: Totals
    checks: tuple[Check, ...]
    course: tuple[Moment, ...]
    served: tuple[Served, ...]
    served_totals: Mapping[str, Counters]
    memory: tuple[Growth, ...]
    restarted: int
    wrong: tuple[Mapping[str, Any], ...]
    errors: tuple[str, ...]
    generator_cores: float
    void: str
    interrupted: bool
    memory_course: Mapping[int, tuple[tuple[float, float], ...]]

    @property
    def verdict(self) -> Exit:
        """What the command ends with: what was seen before it was interrupted is told, and proves nothing."""
        if self.interrupted:
            return Exit.INTERRUPTED
        if self.void:
            return Exit.VOID
        return Exit.HELD if all(c.holds for c in self.checks) else Exit.BROKEN

    @property
    def line(self) -> str:
        """Say it in one line."""
        broken = [str(c) for c in self.checks if not c.holds]
        said = f"SLO broken: {'; '.join(broken)}" if broken else f"SLO held: {'; '.join(map(str, self.checks))}"
        if self.void:
            said = f"void: {self.void}"
        return f"interrupted; so far {said}" if self.interrupted else said

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON's own types, the verdict first."""
        head = {
            "schema": SCHEMA,
            "verdict": self.verdict.name.lower(),
            "exit_code": int(self.verdict),
            "line": self.line,
        }
        content = asdict(self)
        for stored, check_ in zip(content["checks"], self.checks, strict=True):
            stored["holds"] = check_.holds
        derived = ("error_rate", "rejected_share", "texts_per_second")
        content["totals"] |= {name: getattr(self.totals, name) for name in derived}
        return head | content


def conclude(subject: Subject, plan: Plan, run: Run, limits: Mapping[str, float], max_lateness: float) -> Result:
    """Add a run up and judge it.

    Args:
        subject: What was loaded.
        plan: What was to be sent.
        run: What happened.
        limits: The objectives.
        max_lateness: Milliseconds by which one request in a hundred may be sent late; a twentieth of the p99 latency is
            allowed in any case.
    """
    seconds = plan.seconds
    if run.interrupted:
        seconds = min(seconds, max((record.intended for record in run.ledger.records), default=0.0))
    totals = run.ledger.totals(seconds)
    memory, restarted = growths(run.samples), came_and_went(run.samples)
    return Result(
        subject=subject,
        totals=totals,
        checks=check(limits, _figures(totals, memory, restarted)),
        course=tuple(run.ledger.course(seconds)),
        served=served(run.samples, run.origin),
        served_totals=_between(run.samples[0], run.samples[-1]),
        memory=memory,
        restarted=restarted,
        wrong=tuple(run.noted("wrong")),
        errors=tuple(str(n["words"]) for kind in ("failed", "late", "rejected") for n in run.noted(kind)),
        generator_cores=run.generator_cpu / max(1.0, totals.seconds),
        void=_void(totals, max_lateness, interrupted=run.interrupted),
        interrupted=run.interrupted,
        memory_course=_memory_course(run.samples, run.origin),
    )


def _figures(totals: Totals, memory: Sequence[Growth], restarted: int) -> dict[str, float | None]:
    """Give what the objectives limit; where a process came or went its memory went with it, and no slope shows that."""
    latency = totals.latency
    return {
        "p50_ms": latency.p50 if latency else None,
        "p95_ms": latency.p95 if latency else None,
        "p99_ms": latency.p99 if latency else None,
        "error_rate": totals.error_rate if totals.requests else None,
        "rejected_share": totals.rejected_share if totals.requests else None,
        "label_mismatch": float(totals.wrong) if totals.answered_texts else None,
        "rss_slope_mib_per_100k": None if restarted else worst_slope(memory),
    }


def served(samples: Sequence[Sample], origin: float) -> tuple[Served, ...]:
    """Read the metrics from sample to sample, where there are any."""
    pairs = itertools.pairwise(samples)
    return tuple(Served((a.clock + b.clock) / 2 - origin, found) for a, b in pairs if (found := _between(a, b)))


def _between(before: Sample, after: Sample) -> dict[str, Counters]:
    return (
        {model: counters.since(before.metrics.get(model, Counters())) for model, counters in after.metrics.items()}
        if before.metrics
        else {}
    )


def _void(totals: Totals, max_lateness: float, *, interrupted: bool) -> str:
    if not totals.requests and interrupted:
        return "no request was sent yet"
    if not totals.requests:
        return "not one request was due: give a higher --rate or a longer --duration"
    allowed = max(max_lateness, LATENESS_SHARE * totals.latency.p99 if totals.latency else 0.0)
    if totals.lateness_p99 > allowed:
        return (
            f"one request in a hundred was sent more than {totals.lateness_p99:.1f} ms late, allowed are "
            f"{allowed:.3g}: this side was too busy; give --workers, a lower --rate, or another machine to send from"
        )
    return ""


def _memory_course(samples: Sequence[Sample], origin: float) -> dict[int, tuple[tuple[float, float], ...]]:
    course: dict[int, list[tuple[float, float]]] = {}
    for sample in samples:
        for process in sample.processes:
            course.setdefault(process.pid, []).append((sample.clock - origin, process.rss))
    return {pid: tuple(points) for pid, points in course.items()}
