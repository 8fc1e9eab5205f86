"""Which layers get which scheme: the noise and cost of every option in, one option a group out. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Option:
    """One way to run a group of layers.

    Attributes:
        noise: Variance that it adds to the decisions' margins.
        cost: Time it takes, in any unit.
    """

    noise: float
    cost: float


def choose_options(
    groups: Sequence[Sequence[Option]], predict: Callable[[float], float], wanted: float
) -> tuple[int, ...]:
    """Begin with the cheapest everywhere, and buy silence where it is cheapest until the labels should hold.

    Args:
        groups: The options of every group.
        predict: Gives the agreement to expect of a total variance.
        wanted: The agreement to reach.

    Returns:
        The number of the chosen option of each group: the quietest everywhere, if even that is not enough.

    Example:
        >>> loud, quiet = Option(4.0, 1.0), Option(0.0, 2.0)
        >>> choose_options([[loud, quiet], [Option(1.0, 1.0), quiet]], lambda noise: 1 - noise / 10, 0.9)
        (1, 0)
    """
    chosen = [min(range(len(options)), key=lambda i: options[i].cost) for options in groups]

    def total() -> float:
        return sum(options[i].noise for options, i in zip(groups, chosen, strict=True))

    while predict(total()) < wanted:
        gains = [
            ((groups[g][now].noise - other.noise) / max(other.cost - groups[g][now].cost, 1e-12), g, i)
            for g, now in enumerate(chosen)
            for i, other in enumerate(groups[g])
            if other.noise < groups[g][now].noise
        ]
        if not gains:
            break
        _, group, option = max(gains)
        chosen[group] = option
    return tuple(chosen)
