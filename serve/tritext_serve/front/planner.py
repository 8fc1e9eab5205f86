"""Which texts run together: token counts in, sub-batches out. Pure.

A sub-batch is padded to its longest text, so texts of like length belong together; but every sub-batch costs
something by itself, so there should not be too many either. What a call costs is estimated from its shape, and the
texts, sorted by length, are cut where the sum is least::

    call + texts × (text + token × longest + pair × longest²)

One text whose neighbours it would have padded thus runs alone where that is cheaper. A packed graph drops the padding
before its dense layers, and only its attention still computes it::

    call + token × tokens + texts × (text + pair × longest²)

The tokens of all texts are the same however they are cut, so there it takes fewer and larger sub-batches.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

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
        token: For each token, padding counted unless the graph is packed.
        pair: For each pair of tokens that attend to one another, padding counted.
        packed: Whether the dense layers of the graph leave padding out.
    """

    call: float = 990.0
    text: float = 44.0
    token: float = 61.0
    pair: float = 0.13
    packed: bool = False

    def of(self, lengths: Sequence[int]) -> float:
        """Estimate one call, from the tokens of each of its texts."""
        texts, longest = len(lengths), max(lengths)
        tokens = sum(lengths) if self.packed else texts * longest
        return self.call + self.token * tokens + texts * (self.text + self.pair * longest**2)


CPU_COSTS = Costs()


Piece = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Row:
    """Texts from short to long.

    Attributes:
        call: What a sub-batch costs by itself.
        rates: What each text of a sub-batch costs of which this one is the longest.
        fits: How many texts that sub-batch can hold.
        own: What the texts before each place cost wherever they run, and at last what all do.
    """

    call: float
    rates: list[float]
    fits: list[int]
    own: list[float]

    def cost(self, start: int, end: int) -> float:
        """Estimate the sub-batch of the texts from ``start`` to before ``end``."""
        return self.call + (end - start) * self.rates[end - 1] + self.own[end] - self.own[start]

    def total(self, pieces: Sequence[Piece]) -> float:
        """Estimate several sub-batches."""
        return sum(self.cost(*piece) for piece in pieces)

    def holds(self, pieces: Sequence[Piece]) -> bool:
        """Tell whether each sub-batch keeps to the limits."""
        return all(end - start <= self.fits[end - 1] for start, end in pieces)


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
    """Count the padding tokens of ``batches``, each sorted by length."""
    return sum(len(batch) * lengths[int(batch[-1])] - sum(lengths[int(row)] for row in batch) for batch in batches)


def measure(lengths: Sequence[int], max_tokens: int, max_texts: int, costs: Costs) -> Row:
    """Say what each text costs and how many fit, for lengths that never fall."""
    apart, together = (costs.token, 0.0) if costs.packed else (0.0, costs.token)
    rates = [costs.text + length * (together + costs.pair * length) for length in lengths]
    fits = [max(1, min(max_texts, max_tokens // max(1, length))) for length in lengths]
    own = list(accumulate((apart * length for length in lengths), initial=0.0))
    return Row(costs.call, rates, fits, own)


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


def _share_out(texts: Row, pieces: list[Piece], lanes: int) -> list[Piece]:
    """Order sub-batches costliest first, and cut some of them so that all lanes end sooner.

    Tried are the cheapest cuts and, where they fit into one, all texts, with the costliest piece halved again and
    again. Taken is what lets the lanes end soonest among all that add ``LANE_SHARE`` of the cost at most.
    """
    count = len(texts.fits)
    ways = _halvings(texts, pieces, lanes)
    if count <= lanes * texts.fits[-1]:
        ways += [way for way in _halvings(texts, [(0, count)], lanes) if texts.holds(way)]
    most = (1 + LANE_SHARE) * texts.total(pieces)
    affordable = [ways[0], *(way for way in ways[1:] if texts.total(way) <= most)]
    return min(affordable, key=lambda way: _span([texts.cost(*piece) for piece in way], lanes))


def _halvings(texts: Row, pieces: Sequence[Piece], lanes: int) -> list[list[Piece]]:
    """Give some pieces, then with the costliest halved, once for each lane; each time the costliest first."""
    ways = [sorted(pieces, key=lambda piece: -texts.cost(*piece))]
    for _ in range(lanes):
        first, *others = ways[-1]
        ways.append(sorted([*_halve(texts, *first), *others], key=lambda piece: -texts.cost(*piece)))
    return ways


def _halve(texts: Row, start: int, end: int) -> list[Piece]:
    """Cut one sub-batch so that the costlier half costs least; a single text stays whole."""
    if end - start == 1:
        return [(start, end)]
    cuts = range(start + 1, end)  # the further to the right, the costlier the left half and the cheaper the right one
    even = bisect_left(cuts, True, key=lambda cut: texts.cost(start, cut) >= texts.cost(cut, end))
    near = cuts[max(0, even - 1) : even + 1]
    middle = min(near, key=lambda cut: max(texts.cost(start, cut), texts.cost(cut, end)))
    return [(start, middle), (middle, end)]


def _span(costs: Sequence[float], lanes: int) -> float:
    """How long the lanes take when each takes the next sub-batch as soon as it is free."""
    ends = [0.0] * lanes
    for cost in costs:
        soonest = ends.index(min(ends))
        ends[soonest] += cost
    return max(ends)
