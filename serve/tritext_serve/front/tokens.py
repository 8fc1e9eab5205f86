"""Texts to token ids, exactly as the checkpoint's own tokenizer does it. Imports tokenizers, alone in this package.

A row is what the classifier sees of a text: one row a text, and more where a long text is read in windows. Rows stay
lists of ids, as the library gives them, until the sub-batch is known that they are padded for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Encoding, Tokenizer

from tritext_serve.front.texts import TextInput

IdArray = npt.NDArray[np.int64]
Ids = Sequence[int]


@dataclass(frozen=True, slots=True)
class Tokens:
    """A batch of tokenised texts or pairs.

    Attributes:
        ids: Token ids of each row, special tokens counted.
        lengths: Their number.
        type_ids: For each token the number of its text; nothing where texts come alone.
        whole: Tokens that the texts have, by row, of those that were cut.
        cut: The parts that the library cut single texts into, by row: the row's own, and all that was left over.
    """

    ids: Sequence[Ids]
    lengths: list[int]
    type_ids: Sequence[Ids] = ()
    whole: Mapping[int, int] = field(default_factory=dict)
    cut: Mapping[int, Sequence[Encoding]] = field(default_factory=dict)

    @property
    def truncated(self) -> npt.NDArray[np.bool_]:
        """Which rows were cut, BOOL [rows]."""
        flags = np.zeros(len(self.ids), np.bool_)
        flags[list(self.whole)] = True
        return flags


class TextTokenizer:
    """A ``tokenizer.json`` with truncation at the model's length and no padding of its own."""

    def __init__(self, path: Path, max_length: int, pad_token_id: int, pairs: bool = False) -> None:
        """Load the tokenizer.

        Args:
            path: A ``tokenizer.json``; its own truncation and padding settings are replaced.
            max_length: Longest encoding in tokens.
            pad_token_id: What fills a row up.
            pairs: Whether texts come in pairs.
        """
        self._tokenizer = Tokenizer.from_file(str(path))
        self._max_length = max_length
        self._pad_token_id = pad_token_id
        self._pairs = pairs
        self._special: int = self._tokenizer.num_special_tokens_to_add(pairs)
        self._tokenizer.no_padding()
        if pairs:
            self._tokenizer.no_truncation()
        else:
            self._tokenizer.enable_truncation(max_length)

    def encode(self, texts: Sequence[TextInput]) -> Tokens:
        """Tokenise texts together."""
        encodings = self._tokenizer.encode_batch_fast(list(texts))
        ids = [encoding.ids for encoding in encodings]
        lengths = list(map(len, ids))
        if self._pairs:
            return self._fit(encodings, ids, lengths)
        if max(lengths, default=0) < self._max_length:
            return Tokens(ids, lengths)
        full = (row for row, length in enumerate(lengths) if length == self._max_length)
        cut = {row: [encodings[row], *left] for row in full if (left := encodings[row].overflowing)}
        return Tokens(ids, lengths, (), {row: self._count(parts) for row, parts in cut.items()}, cut)

    def arrays(self, tokens: Tokens, rows: Sequence[int] | npt.NDArray[np.intp], names: Sequence[str]) -> list[IdArray]:
        """Pad some rows to the longest among them.

        Args:
            tokens: What ``encode`` returned.
            rows: Which of its rows.
            names: Which inputs, of ``input_ids``, ``attention_mask`` and ``token_type_ids``.

        Returns:
            INT64 [rows, longest], one array a name, C-contiguous.
        """
        shape = len(rows), max([tokens.lengths[row] for row in rows])
        arrays = []
        for name in names:
            if name == "input_ids":
                arrays.append(_fill(shape, self._pad_token_id, [tokens.ids[row] for row in rows]))
            elif name == "attention_mask":
                arrays.append(_mask(shape, [tokens.lengths[row] for row in rows]))
            elif self._pairs:
                arrays.append(_fill(shape, 0, [tokens.type_ids[row] for row in rows]))
            else:  # those of a single text are all nought
                arrays.append(np.zeros(shape, np.int64))
        return arrays

    def _count(self, parts: Sequence[Encoding]) -> int:
        """Count the tokens of a text by its parts, special tokens once."""
        tokens: int = sum(map(len, parts)) - (len(parts) - 1) * self._special
        return tokens

    def _fit(self, encodings: Sequence[Encoding], ids: list[list[int]], whole: list[int]) -> Tokens:
        """Cut the pairs that are too long.

        The library could cut them too, but keeps every combination of the two texts' remainders: a pair of 20 kB and
        16 kB took 2.2 s and 700 MB.
        """
        types = [encoding.type_ids for encoding in encodings]
        long = {row: length for row, length in enumerate(whole) if length > self._max_length}
        for row in long:
            kept = kept_of_pair(encodings[row], self._max_length - self._special)
            ids[row], types[row] = ([values[place] for place in kept] for values in (ids[row], types[row]))
        return Tokens(ids, list(map(len, ids)), types, long)


def _fill(shape: tuple[int, int], pad: int, rows: Sequence[Ids]) -> IdArray:
    """Lay rows of ids out in one array. Row by row: at any size, joining all and scattering them takes no less."""
    array = np.full(shape, pad, np.int64)
    for place, row in enumerate(rows):
        array[place, : len(row)] = row
    return array


def _mask(shape: tuple[int, int], lengths: Sequence[int]) -> IdArray:
    """Say where there are tokens."""
    mask = np.ones(shape, np.int64)
    for place, length in enumerate(lengths):
        if length < shape[1]:
            mask[place, length:] = 0
    return mask


def cut_windows(parts: Sequence[Encoding], max_length: int, stride: int) -> list[list[int]]:
    """Cut one text, special tokens around each window, as the library does with a stride.

    Args:
        parts: The text as the library cut it without one.
        max_length: Most tokens of a window.
        stride: Tokens that it shares with the one before it.
    """
    first = parts[0]
    content = [token for part in parts for token, of in zip(part.ids, part.sequence_ids, strict=True) if of is not None]
    own = [place for place, of in enumerate(first.sequence_ids) if of is not None]
    head, tail = first.ids[: own[0]], first.ids[own[-1] + 1 :]
    room = max_length - len(head) - len(tail)
    shared = min(stride, room - 1)
    starts = range(0, max(1, len(content) - shared), room - shared)
    return [head + content[start : start + room] + tail for start in starts]


def kept_of_pair(pair: Encoding, budget: int) -> list[int]:
    """Shorten the longer text first, and both alike from there, as transformers' ``longest_first`` does.

    Args:
        pair: Both texts with their special tokens.
        budget: Tokens that the texts may keep together.

    Returns:
        The places of the tokens that stay.
    """
    of = np.array([-1 if text is None else text for text in pair.sequence_ids])
    kept = of < 0
    places = [np.flatnonzero(of == text) for text in (0, 1)]
    for text, count in zip(places, shares(len(places[0]), len(places[1]), budget), strict=True):
        kept[text[:count]] = True
    rows: list[int] = np.flatnonzero(kept).tolist()
    return rows


def shares(first: int, second: int, budget: int) -> tuple[int, int]:
    """Divide a budget of tokens between two texts that together are longer.

    Example:
        >>> shares(3, 20, 9), shares(20, 3, 9), shares(20, 20, 9)
        ((3, 6), (6, 3), (4, 5))
    """
    short, long = sorted((first, second))
    long = max(short, budget - short)
    if short + long > budget:
        short, long = budget // 2, budget - budget // 2
    return (short, long) if first <= second else (long, short)
