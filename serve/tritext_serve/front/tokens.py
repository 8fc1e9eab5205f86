"""Texts to token ids, exactly as the checkpoint's own tokenizer does it. Imports tokenizers, alone in this package."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Encoding, Tokenizer

IdArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Tokens:
    """A batch of tokenised texts.

    Attributes:
        encodings: One per text.
        lengths: Tokens of each text, special tokens and truncation counted.
        truncated: Whether a text was cut, BOOL [texts].
    """

    encodings: Sequence[Encoding]
    lengths: list[int]
    truncated: npt.NDArray[np.bool_]


class TextTokenizer:
    """A ``tokenizer.json`` with truncation at the model's length and no padding of its own."""

    def __init__(self, path: Path, max_length: int, pad_token_id: int) -> None:
        """Load the tokenizer.

        Args:
            path: A ``tokenizer.json``; its own truncation and padding settings are replaced.
            max_length: Longest encoding in tokens.
            pad_token_id: What fills a row up.
        """
        self._tokenizer = Tokenizer.from_file(str(path))
        self._pad_token_id = pad_token_id
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_length)

    def encode(self, texts: Sequence[str]) -> Tokens:
        """Tokenise texts together."""
        encodings = self._tokenizer.encode_batch_fast(list(texts))
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
        for row, index in enumerate(batch):
            encoding, length = tokens.encodings[index], tokens.lengths[index]
            arrays["input_ids"][row, :length] = encoding.ids
            arrays["attention_mask"][row, :length] = 1
        return [arrays[name] for name in names]
