"""What a text costs: shapes of load taken in turn over several rounds, medians out.

The shapes alternate within each round, so that a neighbour's noise falls on all of them alike.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import psutil

from tritext_loadtest.cost import measure
from tritext_loadtest.load import Classify, Shape, run
from tritext_loadtest.statistics import median, percentile

SHAPES = (Shape(1, 1), Shape(16, 1), Shape(4, 16))


@dataclass(frozen=True, slots=True)
class Figures:
    """What one load showed.

    Attributes:
        texts_per_second: Throughput.
        cpu_milliseconds: Server CPU time a text.
        p50_milliseconds: Median latency of a request.
        p99_milliseconds: Latency that one request in a hundred exceeds.
    """

    texts_per_second: float
    cpu_milliseconds: float
    p50_milliseconds: float
    p99_milliseconds: float


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to measure.

    Attributes:
        name: The transport.
        shape: The form of the load.
        classify: Answers a list of texts.
    """

    name: str
    shape: Shape
    classify: Classify


def cases(targets: Mapping[str, Classify], shapes: Sequence[Shape] = SHAPES) -> list[Case]:
    """Pair every transport with every shape."""
    return [Case(name, shape, classify) for shape in shapes for name, classify in targets.items()]


def take(case: Case, server: psutil.Process, texts: Sequence[str]) -> Figures:
    """Send every text once and read the server's cost before and after."""
    before = measure(server)
    result = run(case.classify, texts, case.shape)
    after = measure(server)
    return Figures(
        texts_per_second=result.texts_per_second,
        cpu_milliseconds=1e3 * (after.cpu_seconds - before.cpu_seconds) / result.texts,
        p50_milliseconds=1e3 * percentile(result.latencies, 0.5),
        p99_milliseconds=1e3 * percentile(result.latencies, 0.99),
    )


def bench(
    cases: Sequence[Case],
    server: psutil.Process,
    texts: Sequence[str],
    rounds: int,
    tell: Callable[[str], None] = lambda _: None,
) -> list[Figures]:
    """Measure every case once a round; give each case's medians, in the cases' order."""
    taken: list[list[Figures]] = [[] for _ in cases]
    for number in range(1, rounds + 1):
        for case, figures in zip(cases, taken, strict=True):
            tell(f"round {number} of {rounds}: {case.name}, {case.shape}")
            figures.append(take(case, server, texts))
    return [_medians(figures) for figures in taken]


def _medians(figures: Sequence[Figures]) -> Figures:
    return Figures(*(median([getattr(f, name) for f in figures]) for name in Figures.__slots__))
