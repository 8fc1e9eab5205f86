"""When which texts are sent: phases and a seed in, arrivals out, the same every time. Pure.

Arrivals are a Poisson process whose rate follows the phases: a process of rate 1 is drawn, and each of its moments is
moved to where the integral of the wanted rate reaches it. Who sends is not asked: a server that slows down finds the
next request sent all the same.
"""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tritext_loadtest.scenarios import Phase

# The most that anybody draws at once into a list; a longer load says nothing more.
MOST_MOMENTS = 1_000_000


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request to come.

    Attributes:
        seconds: When, after the start.
        items: Positions of its texts.
        target: Position of the address it goes to.
    """

    seconds: float
    items: tuple[int, ...]
    target: int


@dataclass(frozen=True, slots=True)
class Draw:
    """What a request's content is drawn from.

    Attributes:
        usual: Number of texts, at positions 0, 1, …
        long: Number of long texts, at the positions after those.
        long_share: Share of the texts that are long.
        batches: Texts a request, each with its share.
        targets: Number of addresses, which take turns.
    """

    usual: int
    long: int
    long_share: float
    batches: tuple[tuple[int, float], ...]
    targets: int


def arrivals(phases: Sequence[Phase], draw: Draw, seed: int) -> Iterator[Arrival]:
    """Draw the requests of a run, in the order of time.

    Args:
        phases: The rate in texts a second.
        draw: What they hold.
        seed: Chooses one of the possible runs.
    """
    size = sum(count * share for count, share in draw.batches)
    requests = [Phase(phase.seconds, phase.start / size, phase.end / size) for phase in phases]
    chance = random.Random(f"{seed} texts")  # noqa: S311  # nothing secret
    counts, shares = zip(*draw.batches, strict=True)
    for number, seconds in enumerate(moments(requests, seed)):
        (count,) = chance.choices(counts, shares)
        items = tuple(_item(draw, chance) for _ in range(count))
        yield Arrival(seconds, items, number % draw.targets)


def moments(phases: Sequence[Phase], seed: int) -> Iterator[float]:
    """Draw the moments of a Poisson process, ascending, in seconds after its start.

    Args:
        phases: Its rate in events a second.
        seed: Chooses one of the possible runs.
    """
    chance = random.Random(f"{seed} moments")  # noqa: S311  # nothing secret
    reached = chance.expovariate(1.0)
    before, began = 0.0, 0.0
    for phase in phases:
        while reached - before < phase.texts:
            yield began + min(_inverse(phase, reached - before), phase.seconds)
            reached += chance.expovariate(1.0)
        before, began = before + phase.texts, began + phase.seconds


def _inverse(phase: Phase, events: float) -> float:
    """Say after how long so many events are due: the smaller root of ``start·t + slope·t²/2 = events``."""
    slope = (phase.end - phase.start) / phase.seconds
    root = math.sqrt(max(0.0, phase.start**2 + 2 * slope * events))
    return 2 * events / (phase.start + root)


def _item(draw: Draw, chance: random.Random) -> int:
    if draw.long and chance.random() < draw.long_share:
        return draw.usual + chance.randrange(draw.long)
    return chance.randrange(draw.usual)
