"""Texts to a served model and its answers back: a block in, an answer for each good row out, on an event loop.

Requests of all blocks share one window, so the server stays busy across blocks. What a failure means is decided in
``pacing``; this module waits, sends again, divides.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from tritext import Prediction, TritextError
from tritext_batch.errors import ModelError
from tritext_batch.pacing import Divide, Patience, Reject, Stop, Wait, Window, decide
from tritext_batch.requests import cut
from tritext_batch.rows import Answer, Block, Rejection, Row

# A server that is full for a moment is no news; one that refuses the same request so often is.
TOLD = 3
Classify = Callable[[list[str]], Awaitable[Sequence[Prediction]]]
Note = Callable[[str], None]


class Gate:
    """Lets as many pass at once as the window says, first come first served."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self._inside = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def __aenter__(self) -> None:
        if self._inside < self.window.limit and not self._waiting:
            self._inside += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it was let in as it went
                self._leave()
            raise

    async def __aexit__(self, *error: object) -> None:
        self._leave()

    def _leave(self) -> None:
        self._inside -= 1
        while self._waiting and self._inside < self.window.limit:
            turn = self._waiting.popleft()
            if not turn.cancelled():
                self._inside += 1
                turn.set_result(None)


class Scorer:
    """Scores blocks; several at a time share its window.

    Args:
        classify: One request: texts in, a prediction for each out, in order; it neither divides nor tries again.
        window: How many requests may be in flight.
        patience: How long to wait for a server that is away or full.
        note: Told in a line what the job waits for, and an empty one when it goes on.
    """

    def __init__(self, classify: Classify, window: Window, patience: Patience, note: Note) -> None:
        self._classify, self._gate, self._patience, self._note = classify, Gate(window), patience, note
        self._noted = False

    async def score(self, block: Block) -> dict[int, Answer]:
        """Answer the good rows of a block, by their numbers.

        Raises:
            ModelError: the model cannot be asked; none of the block's answers is given.
        """
        tasks = [asyncio.create_task(self._request(rows)) for rows in cut(block.rows)]
        try:
            answered = await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
        return {row.number: answer for rows in answered for row, answer in rows}

    async def _request(self, rows: list[Row]) -> list[tuple[Row, Answer]]:
        attempt, began = 0, 0.0
        while True:
            try:
                async with self._gate:
                    found = await self._classify([row.text or "" for row in rows])
            except TritextError as error:
                began = began or time.monotonic()
                attempt += 1
                step = decide(error, len(rows), attempt, time.monotonic() - began, self._patience)
                if not isinstance(step, Wait):
                    return await self._turned_down(rows, step, error)
                await self._wait(step, error, attempt)
            else:
                self._gate.window.answered(len(rows), time.monotonic())
                self._resume()
                return list(zip(rows, found, strict=True))

    async def _turned_down(
        self, rows: list[Row], step: Divide | Reject | Stop, error: TritextError
    ) -> list[tuple[Row, Answer]]:
        match step:
            case Divide():
                half = len(rows) // 2
                return [*await self._request(rows[:half]), *await self._request(rows[half:])]
            case Reject():
                return [(rows[0], Rejection(f"refused by the server: {error}"))]
            case Stop():
                where = f"rows {rows[0].number} to {rows[-1].number}" if len(rows) > 1 else f"row {rows[0].number}"
                raise ModelError(f"{where}: {error}") from error

    async def _wait(self, step: Wait, error: TritextError, attempt: int) -> None:
        self._gate.window.refused()
        if attempt >= TOLD and not self._noted:
            self._noted = True
            self._note(f"waiting: {error}")
        await asyncio.sleep(step.seconds)

    def _resume(self) -> None:
        if self._noted:
            self._noted = False
            self._note("")
