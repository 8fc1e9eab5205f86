"""Which (texts, tokens) shapes an engine must take: the planner's limits in, optimisation profiles out. Pure.

The planner sends a sub-batch of ``n`` texts padded to ``l`` tokens, with ``n <= max_texts``, ``l <= max_length`` and
``n * l <= max_tokens``; a text that is longer than the budget runs alone. The first profile takes every such shape,
because Triton uses it alone unless the configuration names more. The others each take a range of lengths, so that
kernels are chosen for, and memory is set aside for, shapes that occur::

    texts
      64 ┌────┬──────────┬──────────────────────┐ profile 0: all of it
         │ 1  │          │                      │
         │    │          │                      │
      11 │    ├──────────┤                      │
         │    │ 2        │                      │
       2 │    │          ├──────────────────────┤
       1 └────┴──────────┴──────────────────────┘
         1    32         128                  512 tokens
"""

from dataclasses import dataclass
from itertools import pairwise

from tritext_export.errors import EngineError

Shape = tuple[int, int]

# Each range is four times the one before: with twice, the demo's engine took 1.7 times as long to build and a
# profile's largest shape was still only half as far above the budget (docs/tensorrt.md).
_FIRST, _GROWTH = 32, 4


@dataclass(frozen=True, slots=True)
class Profile:
    """A range of shapes, the same for every input.

    Attributes:
        smallest: Texts and tokens, each the least.
        typical: The shape that kernels are chosen for.
        largest: Texts and tokens, each the most.
    """

    smallest: Shape
    typical: Shape
    largest: Shape

    def covers(self, shape: Shape) -> bool:
        """Tell whether a shape lies inside."""
        return all(low <= size <= high for low, size, high in zip(self.smallest, shape, self.largest, strict=True))


def plan_profiles(max_tokens: int, max_texts: int, max_length: int) -> tuple[Profile, ...]:
    """Cover every shape that the planner can send.

    Args:
        max_tokens: The front's budget of one sub-batch, padding counted.
        max_texts: Most texts in a sub-batch.
        max_length: Longest text in tokens.

    Returns:
        One profile for all shapes, then one for each range of lengths, shortest first; the one alone where there is
        but one range.

    Raises:
        EngineError: a limit below 1.
    """
    for name, value in (("max_tokens", max_tokens), ("max_texts", max_texts), ("max_length", max_length)):
        if value < 1:
            raise EngineError(f"{name} is {value}: take 1 or more")
    ranges = _length_ranges(max_length)
    parts = tuple(_profile(low, high, max_tokens, max_texts) for low, high in ranges)
    everything = Profile((1, 1), parts[0].typical, (_texts(1, max_tokens, max_texts), max_length))
    return (everything, *parts) if len(parts) > 1 else (everything,)


def _length_ranges(max_length: int) -> list[Shape]:
    edges = [0, _FIRST]
    while edges[-1] < max_length:
        edges.append(edges[-1] * _GROWTH)
    edges[-1] = max_length
    return [(low + 1, high) for low, high in pairwise(edges)]


def _profile(shortest: int, longest: int, max_tokens: int, max_texts: int) -> Profile:
    return Profile(
        smallest=(1, shortest),
        typical=(_texts(longest, max_tokens, max_texts), longest),
        largest=(_texts(shortest, max_tokens, max_texts), longest),
    )


def _texts(length: int, max_tokens: int, max_texts: int) -> int:
    """Count how many texts of a length the planner puts together at most."""
    return max(1, min(max_texts, max_tokens // length))
