"""Which pictures a run has: a result in, their headings and markup out. Pure."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from markupsafe import Markup

from tritext_loadtest.ledger import Moment, Spread
from tritext_loadtest.metrics import Counters
from tritext_loadtest.report.charts import Point, Series, draw_lines, draw_points
from tritext_loadtest.result import Result

PERCENTILES = ("p50", "p90", "p99")
PARTS = ("queue", "input", "compute", "output")
SECONDS = "seconds after the start"


@dataclass(frozen=True, slots=True)
class Plot:
    """One picture and what is to be said of it."""

    heading: str
    words: str
    picture: Markup


def plots(result: Result) -> list[Plot]:
    """Draw whatever there are figures for."""
    return [*_requests(result), *_served(result), *_memory(result)]


def _requests(result: Result) -> Iterator[Plot]:
    course = result.course
    if not course:
        return
    limit = next((c.limit for c in result.checks if c.name == "p99_ms"), None)
    latency = [Series(name, _over_time(course, name)) for name in PERCENTILES]
    yield Plot(
        "Latency over time",
        "Answered requests, from when each was to be sent; dashed: the limit of p99.",
        draw_lines("latency", latency, SECONDS, "ms", limit),
    )
    against = [Series(name, _against(course, name)) for name in PERCENTILES]
    yield Plot(
        "Latency against throughput",
        "A point a stretch of the run; dashed: the limit of p99.",
        draw_points("throughput", against, "texts answered a second", "ms", limit),
    )
    rates = [
        Series(name, tuple((m.seconds, getattr(m, name)) for m in course))
        for name in ("offered", "answered", "refused")
    ]
    yield Plot(
        "Rates over time",
        "Texts a second by when they were to be sent.",
        draw_lines("rates", rates, SECONDS, "texts/s"),
    )


def _served(result: Result) -> Iterator[Plot]:
    if not result.served:
        return
    models = sorted(result.served_totals)
    sizes = [Series(model, _of_model(result, model, lambda c: c.batch_size)) for model in models]
    yield Plot(
        "Batches formed",
        "Texts a batch, by the server's own metrics.",
        draw_lines("batches", sizes, SECONDS, "texts a batch"),
    )
    front = models[0]
    parts = [one for part in PARTS if (one := Series(part, _of_model(result, front, _time_in(part)))).points]
    yield Plot(
        "Queue against compute",
        f"Where a request of {front} spent its time, by the server's own metrics.",
        draw_lines("queue", parts, SECONDS, "ms a request"),
    )


def _memory(result: Result) -> Iterator[Plot]:
    common = Counter(growth.name for growth in result.memory)
    names = {g.pid: g.name if common[g.name] == 1 else f"{g.name[:12]} {g.pid}" for g in result.memory}
    series = [
        Series(name, tuple(point for point in result.memory_course[pid] if point[0] >= 0))
        for pid, name in names.items()
        if pid in result.memory_course
    ]
    if series:
        yield Plot(
            "The server's memory",
            "Resident, process by process.",
            draw_lines("memory", series, SECONDS, "MiB"),
        )


def _over_time(course: tuple[Moment, ...], name: str) -> tuple[Point, ...]:
    return tuple((m.seconds, _value(m.latency, name)) for m in course if m.latency)


def _against(course: tuple[Moment, ...], name: str) -> tuple[Point, ...]:
    return tuple((m.answered, _value(m.latency, name)) for m in course if m.latency)


def _value(spread: Spread, name: str) -> float:
    return float(getattr(spread, name))


def _of_model(result: Result, model: str, read: Callable[[Counters], float | None]) -> tuple[Point, ...]:
    found = ((s.seconds, read(s.models[model])) for s in result.served if model in s.models and s.seconds >= 0)
    return tuple((seconds, value) for seconds, value in found if value is not None)


def _time_in(part: str) -> Callable[[Counters], float | None]:
    return lambda counters: counters.milliseconds(part)
