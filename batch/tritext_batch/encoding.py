"""A block and its answers in, its share of the output out: bytes of rows, bytes of rejected rows, counts. Pure."""

import json
from collections.abc import Mapping

from tritext import Prediction
from tritext_batch.formats import Encoder
from tritext_batch.rows import Answer, Block, Rejection, Row, Scored, tally

# Enough of a rejected text to know it again.
SHOWN = 200


def encode_block(encoder: Encoder, block: Block, answers: Mapping[int, Answer]) -> Scored:
    """Write a block.

    Args:
        encoder: Of the output's format.
        block: As it was read.
        answers: One for each good row, by its number.

    Raises:
        InputError: a row has one of the new columns already.
    """
    good: list[tuple[Row, Prediction]] = []
    rejected: list[tuple[Row, str]] = []
    for row in block.rows:
        answer = Rejection(row.reason) if row.text is None else answers[row.number]
        if isinstance(answer, Rejection):
            rejected.append((row, answer.reason))
        else:
            good.append((row, answer))
    return Scored(
        number=block.number,
        position=block.position,
        output=encoder.encode(block, good) if good else b"",
        rejected="".join(map(_rejected, rejected)).encode(),
        labels=tally(answer.label for _, answer in good),
        rejections=len(rejected),
        truncated=sum(answer.truncated for _, answer in good),
        versions=tuple(tally(answer.model_version for _, answer in good)),
    )


def _rejected(found: tuple[Row, str]) -> str:
    row, reason = found
    content = {"row": row.number, "reason": reason}
    if row.text is not None:
        content["text"] = row.text[:SHOWN]
    return json.dumps(content, ensure_ascii=False) + "\n"
