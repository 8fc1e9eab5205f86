"""Which texts are the same as others, and so need no computing of their own: keys in, a plan of sharing out. Pure."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

IndexArray = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Sharing:
    """Who computes and who copies.

    Attributes:
        fresh: The texts to compute, in their order; all others copy.
        origins: Where each text's answer stands: a place in ``fresh``, or behind those a row that was known before.
    """

    fresh: Sequence[int]
    origins: IndexArray


def share(keys: Sequence[Hashable], known: Mapping[Any, int], may_copy: Sequence[bool] = ()) -> Sharing | None:
    """Find texts that are the same as an earlier one of the batch, or as one that is known.

    Args:
        keys: Equal for texts with equal answers.
        known: Rows of answers at hand.
        may_copy: Whether a text may take a known answer; none where no text may.

    Returns:
        Nothing where each text needs computing.

    Example:
        >>> share(["a", "b", "a", "c"], {"b": 5}, [True] * 4)
        Sharing(fresh=[0, 3], origins=array([0, 7, 0, 1]))
    """
    copying = any(may_copy) and not known.keys().isdisjoint(keys)
    if not copying and len(set(keys)) == len(keys):
        return None
    fresh: dict[Hashable, int] = {}
    first: list[int] = []
    copied: list[tuple[int, int]] = []
    origins = np.zeros(len(keys), np.intp)
    for text, key in enumerate(keys):
        if copying and may_copy[text] and key in known:
            copied.append((text, known[key]))
            continue
        if key not in fresh:
            fresh[key] = len(first)
            first.append(text)
        origins[text] = fresh[key]
    for text, row in copied:
        origins[text] = len(first) + row
    return Sharing(first, origins) if len(first) < len(keys) else None
