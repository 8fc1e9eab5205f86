"""Who is cheaper, and how surely: CPU times of the same rounds in, ratios with bootstrap intervals out. Pure."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tritext_loadtest.statistics import median, percentile

DRAWS = 2000


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and where it lies, by resampling: with 95 % confidence from six rounds on, of fewer a mere range.

    Attributes:
        value: The median over the rounds.
        low: 2.5 % of the medians of resampled rounds are less.
        high: 2.5 % are more.
    """

    value: float
    low: float
    high: float


def interval(values: Sequence[float], seed: int = 0) -> Interval:
    """Give the median and its bootstrap interval: rounds drawn with replacement, 2,000 times."""
    chance = random.Random(seed)  # noqa: S311  # nothing secret
    drawn = [median(chance.choices(values, k=len(values))) for _ in range(DRAWS)]
    return Interval(median(values), percentile(drawn, 0.025), percentile(drawn, 0.975))


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Interval:
    """Say how many times our cost theirs is, round by round; above 1 we are cheaper.

    Args:
        ours: CPU time a text in each round.
        theirs: The same, in the same rounds.
    """
    return interval([b / a for a, b in zip(ours, theirs, strict=True)])


@dataclass(frozen=True, slots=True)
class Entry:
    """What the ratios need to know of one target's single-text requests.

    Attributes:
        cpu_milliseconds: CPU time a text in each round.
        form: Which form of the model it has; one of ``torch``, ``plain``, ``ours``.
        agreement: Share of its labels that are the checkpoint's.
    """

    cpu_milliseconds: tuple[float, ...]
    form: str
    agreement: float


# Whoever gives other labels than the checkpoint's in more than one text of twenty has not been asked the same thing.
LEAST_AGREEMENT = 0.95


def cheapest(entries: Mapping[str, Entry], forms: Sequence[str]) -> str | None:
    """Name the peer with the least CPU time a text, of those with one of the forms and the right labels."""
    fit = {n: e for n, e in entries.items() if e.form in forms and e.agreement >= LEAST_AGREEMENT}
    return min(fit, key=lambda name: median(fit[name].cpu_milliseconds), default=None)


def all_ratios(
    single: Sequence[float],
    batch: Sequence[float] | None,
    peers: Mapping[str, Entry],
    fastapi: str | None,
    limits: tuple[Sequence[float] | None, Sequence[float] | None],
) -> tuple[dict[str, Interval], dict[str, str]]:
    """Give the ratios that can be given.

    Args:
        single: tritext's CPU time a text in each round, single-text requests.
        batch: The same for requests of many texts.
        peers: Everybody else, single-text requests.
        fastapi: The name of the service that tritext replaces.
        limits: The bare engine's CPU time a text in each round, for the texts of ``single`` and of ``batch``.

    Returns:
        The ratios by name, and the names of those that the best ones were taken from.
    """
    found: dict[str, Interval] = {}
    chosen: dict[str, str] = {}
    rivals = {
        "vs_fastapi": fastapi if fastapi in peers else None,
        "vs_best_peer": cheapest(peers, ("torch", "plain")),
        "vs_best_peer_same_model": cheapest(peers, ("ours",)),
    }
    for name, rival in rivals.items():
        if rival is not None:
            found[name], chosen[name] = ratio(single, peers[rival].cpu_milliseconds), rival
    for name, ours, limit in (("batch", batch, limits[1]), ("single", single, limits[0])):
        if ours is not None and limit is not None:
            found[f"of_engine_limit_{name}"] = ratio(ours, limit)
    return found, chosen
