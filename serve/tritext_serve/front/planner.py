"""Which texts run together: token counts in, sub-batches out. Pure.

A sub-batch is padded to its longest text, so texts of like length belong together; but every sub-batch costs
something by itself, so there should not be too many either. What a call costs is estimated from its shape, and the
texts, sorted by length, are cut where the sum is least::

    call + texts × (text + token × longest + pair × longest²)

One text whose neighbours it would have padded thus runs alone where that is cheaper.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

IndexArray = npt.NDArray[np.intp]

# Above this many rows the exact plan would take more than some milliseconds; filling the budget is nearly as good then.
MOST_PLANNED = 4096
# The share of the whole cost that cutting a sub-batch for another lane may add.
LANE_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Costs:
    """What one call to the classifier takes, in microseconds of one core.

    The defaults are fitted to the demo's int8 model on a CPU. A factor common to all of them changes no plan, so they
    do for other encoders too (docs/performance.md says how they were measured).

    Attributes:
        call: For a call by itself.
        text: For each text.
        token: For each token, padding counted.
        pair: For each pair of tokens that attend to one another.
    """

    call: float = 990.0
    text: float = 44.0
    token: float = 61.0
    pair: float = 0.13

    def of(self, texts: int, longest: int) -> float:
        """Estimate one call."""
        return self.call + texts * (self.text + longest * (self.token + self.pair * longest))


CPU_COSTS = Costs()


@dataclass(frozen=True, slots=True)
class Row:
    """Texts from short to long.

    Attributes:
        call: What a sub-batch costs by itself.
        rates: What each text of a sub-batch costs of which this one is the longest.
        fits: How many texts that sub-batch can hold.
    """

    call: float
    rates: list[float]
    fits: list[int]

    def cost(self, start: int, end: int) -> float:
        """Estimate the sub-batch of the texts from ``start`` to before ``end``."""
        return self.call + (end - start) * self.rates[end - 1]


def plan(
    lengths: Sequence[int], max_tokens: int, max_texts: int, costs: Costs = CPU_COSTS, lanes: int = 1
) -> list[IndexArray]:
    """Cut texts into the sub-batches that cost least, oldest first among texts of equal length.

    Args:
        lengths: Tokens of each text.
        max_tokens: Limit of one sub-batch: texts times its longest. A longer text runs alone.
        max_texts: Most texts in a sub-batch.
        costs: What a sub-batch of a given shape costs.
        lanes: How many sub-batches run at once; with several, the costliest comes first, and sub-batches may be cut so
            that all lanes end sooner, for at most a twentieth of the cost.

    Returns:
        Indices into ``lengths``, each exactly once; with one lane from short to long.

    Example:
        >>> [batch.tolist() for batch in plan([9, 90, 8, 3], max_tokens=384, max_texts=8)]
        [[3, 2, 0], [1]]
    """
    count = len(lengths)
    if count < 2:
        return [np.zeros(1, np.intp)] if count else []
    order = sorted(range(count), key=lengths.__getitem__)
    texts = measure([lengths[i] for i in order], max_tokens, max_texts, costs)
    cuts = cheapest_cuts(texts) if count <= MOST_PLANNED else fullest_cuts(texts)
    pieces = list(pairwise(cuts))
    if lanes > 1:
        pieces = _share_out(texts, pieces, lanes)
    indices = np.array(order, np.intp)
    return [indices[start:end] for start, end in pieces]


def padding(lengths: Sequence[int], batches: Sequence[IndexArray]) -> int:
    """Count the padding tokens that running ``batches``, each sorted by length, costs."""
    return sum((len(batch) * lengths[int(batch[-1])] for batch in batches), -sum(lengths))


def measure(lengths: Sequence[int], max_tokens: int, max_texts: int, costs: Costs) -> Row:
    """Say what each text costs and how many fit, for lengths that never fall."""
    rates = [costs.text + length * (costs.token + costs.pair * length) for length in lengths]
    fits = [max(1, min(max_texts, max_tokens // max(1, length))) for length in lengths]
    return Row(costs.call, rates, fits)


def cheapest_cuts(texts: Row) -> list[int]:
    """Cut where the sum of the costs is least, by dynamic programming.

    The best start of a sub-batch never comes before the best start of one that ends earlier, as a later start saves
    more the longer the longest text is. So each search begins where the one before it ended, and the whole takes as
    many steps as there are texts times texts in a sub-batch.
    """
    best, starts = [0.0], [0]
    start = 0
    for end, (rate, fit) in enumerate(zip(texts.rates, texts.fits, strict=True), 1):
        low = max(start, end - fit)
        cheapest = best[low] - low * rate
        start = low
        for candidate in range(low + 1, end):
            cost = best[candidate] - candidate * rate
            if cost < cheapest:
                cheapest, start = cost, candidate
        best.append(cheapest + texts.call + end * rate)
        starts.append(start)
    return _trace(starts)


def fullest_cuts(texts: Row) -> list[int]:
    """Fill each sub-batch to its limits, from short to long: cheap to find, and the floor that a plan is held to."""
    cuts = [0]
    for end, fit in enumerate(texts.fits, 1):
        if end - cuts[-1] > fit:
            cuts.append(end - 1)
    return [*cuts, len(texts.fits)]


def _trace(starts: list[int]) -> list[int]:
    """Follow the best starts back from the end."""
    cuts = [len(starts) - 1]
    while cuts[-1]:
        cuts.append(starts[cuts[-1]])
    return cuts[::-1]


def _share_out(texts: Row, pieces: list[tuple[int, int]], lanes: int) -> list[tuple[int, int]]:
    """Order sub-batches costliest first, and halve the costliest while that lets all lanes end sooner.

    Each cut may delay no text: it is kept only if the lanes end sooner, and all together add ``LANE_SHARE`` at most.
    """
    allowance = LANE_SHARE * sum(texts.cost(*piece) for piece in pieces)
    pieces = sorted(pieces, key=lambda piece: -texts.cost(*piece))
    for _ in range(lanes):
        costs = [texts.cost(*piece) for piece in pieces]
        halves = _halve(texts, *pieces[0])
        allowance -= sum(texts.cost(*half) for half in halves) - costs[0]
        divided = sorted([*halves, *pieces[1:]], key=lambda piece: -texts.cost(*piece))
        shorter = _span([texts.cost(*piece) for piece in divided], lanes) < _span(costs, lanes)
        if allowance < 0 or not shorter:
            break
        pieces = divided
    return pieces


def _halve(texts: Row, start: int, end: int) -> list[tuple[int, int]]:
    """Cut one sub-batch so that the costlier half costs least; a single text stays whole."""
    if end - start == 1:
        return [(start, end)]
    middle = min(range(start + 1, end), key=lambda cut: max(texts.cost(start, cut), texts.cost(cut, end)))
    return [(start, middle), (middle, end)]


def _span(costs: Sequence[float], lanes: int) -> float:
    """How long the lanes take when each takes the next sub-batch as soon as it is free."""
    ends = [0.0] * lanes
    for cost in costs:
        soonest = ends.index(min(ends))
        ends[soonest] += cost
    return max(ends)
