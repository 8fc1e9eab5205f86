"""The job in this process: one event loop, a few blocks at once, delivered in order.

Files are read and written in a thread, so that requests go on meanwhile.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator

from tritext_batch.asking import Asked, open_scorer
from tritext_batch.encoding import encode_block
from tritext_batch.engines.interruption import run_interruptibly
from tritext_batch.formats import Encoder
from tritext_batch.rows import Answer, Block, Scored
from tritext_batch.scoring import Note

# Blocks in memory: enough to keep the widest window full across the end of one.
AHEAD = 4
Pending = deque[tuple[Block, "asyncio.Task[dict[int, Answer]]"]]


def score_here(
    asked: Asked, blocks: Iterator[Block], encoder: Encoder, deliver: Callable[[Scored], None], note: Note
) -> None:
    """Score the blocks.

    Args:
        asked: The model.
        blocks: What to score; read as they are needed.
        encoder: Of the output's format.
        deliver: Given each block's share, in order.
        note: Told what the job waits for.

    Raises:
        BatchError: whatever stops it; what was delivered is whole blocks from the beginning on.
        KeyboardInterrupt: the same.
    """
    run_interruptibly(lambda: _score(asked, blocks, encoder, deliver, note))


async def _score(
    asked: Asked, blocks: Iterator[Block], encoder: Encoder, deliver: Callable[[Scored], None], note: Note
) -> None:
    pending: Pending = deque()
    async with open_scorer(asked, note) as scorer:
        try:
            while block := await asyncio.to_thread(next, blocks, None):
                pending.append((block, asyncio.create_task(scorer.score(block))))
                if len(pending) >= AHEAD:
                    await _deliver_first(pending, encoder, deliver)
            while pending:
                await _deliver_first(pending, encoder, deliver)
        finally:
            for _, task in pending:
                task.cancel()
            await asyncio.gather(*(task for _, task in pending), return_exceptions=True)


async def _deliver_first(pending: Pending, encoder: Encoder, deliver: Callable[[Scored], None]) -> None:
    block, task = pending[0]
    answers = await task
    pending.popleft()
    await asyncio.to_thread(lambda: deliver(encode_block(encoder, block, answers)))
