"""Texts to token ids, exactly as the checkpoint's own tokenizer does it. Imports tokenizers, alone in this package."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from tokenizers import Encoding, Tokenizer

from tritext_serve.front.texts import TextInput

IdArray = npt.NDArray[np.int64]


class Encoded(Protocol):
    """What is needed of the library's encodings, and of those that were cut here."""

    @property
    def ids(self) -> list[int]:
        """Token ids."""

    @property
    def type_ids(self) -> list[int]:
        """For each token the number of its text."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A pair that was too long."""

    ids: list[int]
    type_ids: list[int]


@dataclass(frozen=True, slots=True)
class Tokens:
    """A batch of tokenised texts or pairs.

    Attributes:
        encodings: One per text.
        lengths: Tokens of each text, special tokens and truncation counted.
        truncated: Whether a text was cut, BOOL [texts].
    """

    encodings: Sequence[Encoded]
    lengths: list[int]
    truncated: npt.NDArray[np.bool_]


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
        self._tokenizer.no_padding()
        if pairs:
            self._tokenizer.no_truncation()
            self._budget = max_length - self._tokenizer.num_special_tokens_to_add(True)
        else:
            self._tokenizer.enable_truncation(max_length)

    def encode(self, texts: Sequence[TextInput]) -> Tokens:
        """Tokenise texts together."""
        encodings = self._tokenizer.encode_batch_fast(list(texts))
        if self._pairs:
            return self._fit(encodings)
        lengths = [len(encoding) for encoding in encodings]
        truncated = np.fromiter((bool(e.overflowing) for e in encodings), np.bool_, len(encodings))
        return Tokens(encodings, lengths, truncated)

    def arrays(
        self, tokens: Tokens, batch: Sequence[int] | npt.NDArray[np.intp], names: Sequence[str]
    ) -> list[IdArray]:
        """Pad some of the texts to the longest among them.

        Args:
            tokens: What ``encode`` returned.
            batch: Which of the texts.
            names: Which inputs, of ``input_ids``, ``attention_mask`` and ``token_type_ids``.

        Returns:
            INT64 [texts, longest], one array a name, C-contiguous.
        """
        longest = max(tokens.lengths[i] for i in batch)
        arrays = {
            "input_ids": np.full((len(batch), longest), self._pad_token_id, np.int64),
            "attention_mask": np.zeros((len(batch), longest), np.int64),
            "token_type_ids": np.zeros((len(batch), longest), np.int64),
        }
        typed = self._pairs and "token_type_ids" in names
        for row, index in enumerate(batch):
            encoding, length = tokens.encodings[index], tokens.lengths[index]
            arrays["input_ids"][row, :length] = encoding.ids
            arrays["attention_mask"][row, :length] = 1
            if typed:  # those of a single text are all nought
                arrays["token_type_ids"][row, :length] = encoding.type_ids
        return [arrays[name] for name in names]

    def _fit(self, encodings: Sequence[Encoding]) -> Tokens:
        """Cut the pairs that are too long.

        The library could cut them too, but keeps every combination of the two texts' remainders: a pair of 20 kB and
        16 kB took 2.2 s and 700 MB.
        """
        whole = [len(encoding) for encoding in encodings]
        truncated = np.array([length > self._max_length for length in whole], np.bool_)
        fitting = [cut(e, self._budget) if long else e for e, long in zip(encodings, truncated, strict=True)]
        return Tokens(fitting, [min(length, self._max_length) for length in whole], truncated)


def cut(pair: Encoding, budget: int) -> Cut:
    """Shorten the longer text first, and both alike from there, as transformers' ``longest_first`` does.

    Args:
        pair: Both texts with their special tokens.
        budget: Tokens that the texts may keep together.
    """
    of = np.array([-1 if text is None else text for text in pair.sequence_ids])
    kept = of < 0
    places = [np.flatnonzero(of == text) for text in (0, 1)]
    for text, count in zip(places, shares(len(places[0]), len(places[1]), budget), strict=True):
        kept[text[:count]] = True
    rows = np.flatnonzero(kept)
    return Cut(np.asarray(pair.ids)[rows].tolist(), np.asarray(pair.type_ids)[rows].tolist())


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
