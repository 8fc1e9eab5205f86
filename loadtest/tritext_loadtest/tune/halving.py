"""Who goes on, and who wins: what each setting showed in, an order and a verdict out. Pure.

Successive halving: everybody gets a few turns, the better half gets more, and so on; the control has a turn in each
round, as figures are compared within a round only. A winner must be surely cheaper than the control, or hold objectives
that the control does not.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tritext_loadtest.peers.ratios import Interval, ratio
from tritext_loadtest.slo import Check, check
from tritext_loadtest.statistics import median
from tritext_loadtest.tune.settings import Setting

# Rounds of the first rungs, the last of them of all that follow but the last rung, which has a number of its own.
QUICK_ROUNDS, FULL_ROUNDS = (1, 1, 2, 3), (1, 2, 3, 7)
# Rounds below which nothing is sure: a median lies within the range of six values in 97 of 100 cases, of five in 94.
SURE_TURNS = 6


@dataclass(frozen=True, slots=True)
class Turn:
    """What one load on one setting showed.

    Attributes:
        round: In which round.
        cpu_milliseconds: CPU time of the server's whole tree, a text.
        figures: Of the objectives, by their names.
        lateness_milliseconds: How late one request in a hundred was sent.
        texts: Answered.
    """

    round: int
    cpu_milliseconds: float
    figures: Mapping[str, float]
    lateness_milliseconds: float
    texts: int


@dataclass(slots=True)
class Tried:
    """A setting and its turns.

    Attributes:
        setting: What was served.
        turns: In the order of the rounds.
        failure: Why it was not served, or no longer.
    """

    setting: Setting
    turns: list[Turn] = field(default_factory=list)
    failure: str | None = None

    @property
    def cpu_milliseconds(self) -> float:
        """The median over its turns."""
        return median([turn.cpu_milliseconds for turn in self.turns])

    def figure(self, name: str) -> float:
        """Give the median of a figure, but the sum of what must not happen at all."""
        values = [turn.figures[name] for turn in self.turns]
        return sum(values) if name == "label_mismatch" else median(values)

    def checks(self, limits: Mapping[str, float]) -> tuple[Check, ...]:
        """Hold its figures against objectives."""
        return check(limits, {name: self.figure(name) for name in limits})


@dataclass(frozen=True, slots=True)
class Rung:
    """One stage of the search.

    Attributes:
        settings: How many take part, the control not counted.
        rounds: How many turns each of them gets.
    """

    settings: int
    rounds: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a search.

    Attributes:
        winner: What to serve with.
        gain: How many times as much CPU time the control takes, of the rounds that both took part in; None where there
            were none.
        surely: Whether the winner is another than the control because it is better, by more than chance.
        holds: Whether it holds the objectives.
    """

    winner: Tried
    gain: Interval | None
    surely: bool
    holds: bool


def ladder(settings: int, quick: bool) -> list[Rung]:
    """Plan the rungs: half of the settings go on, the rounds grow; whoever is left has had enough of them to win.

    Args:
        settings: How many there are, the control not counted.
        quick: Whether a rough answer will do.

    Example:
        >>> [(rung.settings, rung.rounds) for rung in ladder(12, quick=True)]
        [(12, 1), (6, 1), (3, 2), (1, 3)]
        >>> [(rung.settings, rung.rounds) for rung in ladder(1, quick=True)]
        [(1, 6)]
    """
    sizes = [settings]
    while sizes[-1] > 1:
        sizes.append(sizes[-1] // 2)
    more = QUICK_ROUNDS if quick else FULL_ROUNDS
    rounds = [more[min(place, len(more) - 2)] for place in range(len(sizes) - 1)]
    last = max(more[-1], SURE_TURNS - sum(rounds)) if settings else more[-1]
    return [Rung(size, count) for size, count in zip(sizes, [*rounds, last], strict=True)]


def order(tried: Iterable[Tried], limits: Mapping[str, float]) -> list[Tried]:
    """Sort from best to worst: who holds the objectives first, the cheapest of those before the others.

    Whoever breaks them is sorted by how many, then by latency.
    """

    def key(one: Tried) -> tuple[int, float, float]:
        broken = sum(not each.holds for each in one.checks(limits))
        return (broken, one.figure("p99_ms") if broken else 0.0, one.cpu_milliseconds)

    return sorted((one for one in tried if one.turns and not one.failure), key=key)


def conclude(control: Tried, others: Sequence[Tried], limits: Mapping[str, float]) -> Verdict:
    """Choose between the control and the best of the others.

    Args:
        control: What serves by default; it has had a turn.
        others: The last ones first.
        limits: Objectives.
    """
    most = max((len(one.turns) for one in others if not one.failure), default=0)
    best = next(iter(order((one for one in others if len(one.turns) == most), limits)), None)
    fit = all(each.holds for each in control.checks(limits))
    if best is None:
        return Verdict(control, None, surely=False, holds=fit)
    gain = compare(best, control)
    best_fits = all(each.holds for each in best.checks(limits))
    cheaper = gain is not None and len(_pairs(best, control)) >= SURE_TURNS and gain.low > 1
    if best_fits and (cheaper or not fit):
        return Verdict(best, gain, surely=True, holds=True)
    return Verdict(control, gain, surely=False, holds=fit)


def broken_in(one: Tried, limits: Mapping[str, float]) -> int:
    """Count the turns of which the figures alone break an objective."""
    return sum(
        not all(each.holds for each in check(limits, {name: turn.figures[name] for name in limits}))
        for turn in one.turns
    )


def compare(one: Tried, control: Tried) -> Interval | None:
    """Give the control's cost over another's in the rounds that both took part in; None where there are none."""
    pairs = _pairs(one, control)
    return ratio(*zip(*pairs, strict=True)) if pairs else None


def relative(one: Tried, control: Tried) -> float | None:
    """Give a setting's cost over the control's, as a median of those rounds."""
    pairs = _pairs(one, control)
    return median([own / theirs for own, theirs in pairs]) if pairs else None


def _pairs(one: Tried, control: Tried) -> list[tuple[float, float]]:
    """Pair costs of the same round; a turn too short for the kernel's clock says nothing."""
    theirs = {turn.round: turn.cpu_milliseconds for turn in control.turns}
    both = [(turn.cpu_milliseconds, theirs.get(turn.round, 0.0)) for turn in one.turns]
    return [pair for pair in both if all(pair)]
