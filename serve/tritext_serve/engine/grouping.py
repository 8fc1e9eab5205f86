"""Which requests can run as one batch: shapes in, groups out. Pure."""

from collections.abc import Hashable, Sequence


def group_equal(keys: Sequence[Hashable]) -> list[list[int]]:
    """Group the positions of equal keys, in the order in which each key first comes.

    The C++ backend's batcher only ever hands over requests of equal shape; without a batcher each comes alone.

    Example:
        >>> group_equal(["a", "b", "a"])
        [[0, 2], [1]]
    """
    groups: dict[Hashable, list[int]] = {}
    for position, key in enumerate(keys):
        groups.setdefault(key, []).append(position)
    return list(groups.values())
