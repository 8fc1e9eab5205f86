"""Readers on bytes: what they find, all at once or going on from every place where a job may have stopped."""

import io

from tests.batch.answers import answers
from tritext_batch.encoding import encode_block
from tritext_batch.formats import open_encoder, open_reader
from tritext_batch.formats.grouping import Limits
from tritext_batch.rows import Block, Row

LIMITS = Limits(rows=3, block_bytes=200, row_bytes=64)
WIDE = Limits(rows=3)


def blocks(kind: str, content: bytes, limits: Limits = LIMITS, column: str = "text") -> list[Block]:
    """Read everything."""
    reader = open_reader(kind, io.BytesIO(content), "in", column, limits)
    return list(reader.blocks(reader.start, 0))


def rows(kind: str, content: bytes, limits: Limits = LIMITS, column: str = "text") -> list[Row]:
    """Read everything as rows."""
    return [row for block in blocks(kind, content, limits, column) for row in block.rows]


def texts(kind: str, content: bytes) -> list[str | None]:
    """The texts, with None for each bad row."""
    return [row.text for row in rows(kind, content)]


def gone_on(kind: str, content: bytes, limits: Limits = LIMITS) -> list[Block]:
    """Read each block with a new reader that goes on where the last one ended."""
    found: list[Block] = []
    while True:
        reader = open_reader(kind, io.BytesIO(content), "in", "text", limits)
        position, number = (found[-1].position, found[-1].number) if found else (reader.start, 0)
        block = next(reader.blocks(position, number), None)
        if block is None:
            return found
        found.append(block)


def written(kind: str, output: str, content: bytes, prefix: str = "", limits: Limits = WIDE) -> bytes:
    """Read, answer as the stand-in does, and write."""
    reader = open_reader(kind, io.BytesIO(content), "in", "text", limits)
    encoder = open_encoder(output, reader, prefix)
    found = [encode_block(encoder, block, answers(block)) for block in reader.blocks(reader.start, 0)]
    return encoder.header() + b"".join(scored.output for scored in found)
