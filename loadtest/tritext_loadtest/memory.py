"""Does the server grow? Samples of its processes in, a slope of each out. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from tritext_loadtest.slope import Slope, fit
from tritext_loadtest.watch import Process, Sample

# Buffers and arenas fill while the first texts come: a slope through them says nothing of the next million.
SETTLING_SHARE = 0.25
TEXTS_UNIT = 100_000.0


@dataclass(frozen=True, slots=True)
class Growth:
    """One process over a run.

    Attributes:
        pid: Its number.
        name: Its program, or the model that it serves.
        rss: Resident memory in MiB at the first and the last sample.
        slope: MiB per 100,000 texts after the first quarter; None where there are too few samples.
        files: Least and most open files after the first quarter; None where nobody may look.
        regions: The same of shared-memory regions.
    """

    pid: int
    name: str
    rss: tuple[float, float]
    slope: Slope | None
    files: tuple[int, int] | None
    regions: tuple[int, int] | None


def growths(samples: Sequence[Sample]) -> tuple[Growth, ...]:
    """Read each process that lived from the first sample to the last."""
    if len(samples) < 2:
        return ()
    first, last = ({process.pid for process in samples[i].processes} for i in (0, -1))
    return tuple(_growth(samples, pid) for pid in sorted(first & last))


def came_and_went(samples: Sequence[Sample]) -> int:
    """Count the server's processes that did not live all the while."""
    if len(samples) < 2:
        return 0
    seen = {process.pid for sample in samples for process in sample.processes}
    return len(seen) - len(growths(samples))


def worst_slope(growths: Sequence[Growth]) -> float | None:
    """Give the steepest slope; None where there is none."""
    return max((growth.slope.value for growth in growths if growth.slope), default=None)


def _growth(samples: Sequence[Sample], pid: int) -> Growth:
    found = [(sample.texts, p) for sample in samples for p in sample.processes if p.pid == pid]
    settled = [(texts, p) for texts, p in found if texts >= SETTLING_SHARE * samples[-1].texts]
    slope = fit([texts / TEXTS_UNIT for texts, _ in settled], [p.rss for _, p in settled])
    processes = [p for _, p in settled]
    return Growth(
        pid,
        found[0][1].name,
        (found[0][1].rss, found[-1][1].rss),
        slope,
        _range(processes, "files"),
        _range(processes, "regions"),
    )


def _range(processes: Sequence[Process], name: str) -> tuple[int, int] | None:
    counts = [count for p in processes if (count := getattr(p, name)) is not None]
    return (min(counts), max(counts)) if counts else None
