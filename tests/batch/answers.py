"""Answers as the stand-in gives them, without a server."""

from tests.batch.stand_in import SCORE, label_of
from tritext import Prediction
from tritext_batch.rows import Answer, Block


def prediction(text: str, version: str = "1") -> Prediction:
    """The stand-in's answer to a text."""
    return Prediction(text, label_of(text), SCORE, len(text), len(text.encode()) > 1000, version)


def answers(block: Block) -> dict[int, Answer]:
    """An answer for each good row."""
    return {row.number: prediction(row.text) for row in block.rows if row.text is not None}
