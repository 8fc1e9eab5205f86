"""A text, or a pair of texts, as a model reads it: token ids in, padded arrays out. Pure numpy."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
INPUTS = ("input_ids", "attention_mask", "token_type_ids")


@dataclass(frozen=True, slots=True)
class Encoded:
    """One tokenised text or pair.

    Attributes:
        ids: Its token ids, special tokens counted.
        type_ids: For each token the number of its text: 1 for the second of a pair, by the models that tell them apart.
    """

    ids: Sequence[int]
    type_ids: Sequence[int]

    def __len__(self) -> int:
        return len(self.ids)


def padded(encoded: Sequence[Encoded], pad_token_id: int) -> dict[str, IntArray]:
    """Fill rows up to the longest among them.

    Returns:
        ``INPUTS`` by name, each INT64 [texts, longest]; padding has mask and type 0.
    """
    shape = (len(encoded), max(map(len, encoded)))
    ids, mask, types = np.full(shape, pad_token_id, np.int64), np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for row, one in enumerate(encoded):
        ids[row, : len(one)] = one.ids
        mask[row, : len(one)] = 1
        types[row, : len(one)] = one.type_ids
    return dict(zip(INPUTS, (ids, mask, types), strict=True))
