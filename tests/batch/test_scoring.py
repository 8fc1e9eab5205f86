"""Blocks to a model that refuses, fails and comes back, on a real event loop and without a network."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.batch.answers import prediction
from tritext import AccessDenied, InferenceFailed, InvalidInput, Prediction, QueueFull, TritextError, Unavailable
from tritext_batch.errors import ModelError
from tritext_batch.pacing import Patience, Window
from tritext_batch.rows import Answer, Block, Rejection, Row
from tritext_batch.scoring import Gate, Scorer

Fault = Callable[[list[str]], TritextError | None]


def block(texts: list[str | None]) -> Block:
    return Block(tuple(Row(n, text) for n, text in enumerate(texts, start=1)), len(texts), 0)


def score(texts: list[str | None], fault: Fault, notes: list[str] | None = None) -> dict[int, Answer]:
    """Score with a model that first asks ``fault`` what to raise."""

    async def classify(asked: list[str]) -> list[Prediction]:
        await asyncio.sleep(0)
        if (error := fault(asked)) is not None:
            raise error
        return [prediction(text) for text in asked]

    said = [] if notes is None else notes
    scorer = Scorer(classify, Window(), Patience(seconds=1.0, failures=1, longest=0.001), said.append)
    return asyncio.run(scorer.score(block(texts)))


def no_fault(texts: list[str]) -> None:
    """Nothing is wrong."""


def first(count: int, error: TritextError) -> Fault:
    """Fail so often."""
    left = [error] * count
    return lambda texts: left.pop() if left else None


def test_each_good_row_gets_its_own_answer() -> None:
    texts: list[str | None] = [None if n % 7 == 0 else "x" * n for n in range(100)]
    found = score(texts, no_fault)
    assert found == {n: prediction(text) for n, text in enumerate(texts, start=1) if text is not None}


def test_the_text_that_is_refused_is_found_among_the_others() -> None:
    def refuse(texts: list[str]) -> TritextError | None:
        return InvalidInput("too long") if {"bad", "worse"} & set(texts) else None

    found = score([*"abcdefghij", "bad", *"klm", "worse"], refuse)
    assert {n: a for n, a in found.items() if isinstance(a, Rejection)} == {
        11: Rejection("refused by the server: too long"),
        15: Rejection("refused by the server: too long"),
    }
    assert len(found) == 15


@pytest.mark.parametrize("error", [QueueFull("full"), Unavailable("away")])
def test_a_server_that_comes_back_is_waited_for_and_that_is_said_once(error: TritextError) -> None:
    notes: list[str] = []
    assert len(score(["a"], first(3, error), notes)) == 1
    assert [note for note in notes if note] == [f"waiting: {error}"]


@pytest.mark.parametrize(
    ("texts", "error", "where"),
    [(["a", "b"], AccessDenied("no key"), "rows 1 to 2: no key"), (["a"], InferenceFailed("broken"), "row 1: broken")],
)
def test_what_waiting_does_not_mend_stops_the_job(texts: list[str | None], error: TritextError, where: str) -> None:
    with pytest.raises(ModelError, match=where):
        score(texts, lambda asked: error)


def test_a_server_that_stays_away_stops_the_job() -> None:
    with pytest.raises(ModelError, match="away"):
        score(["a"], lambda asked: Unavailable("away"))


def test_no_more_requests_are_in_flight_than_the_window_says() -> None:
    async def run() -> int:
        gate, inside, most = Gate(Window(first=3, most=3)), 0, 0

        async def one(number: int) -> None:
            nonlocal inside, most
            async with gate:
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0.0001 * (number % 3))
                inside -= 1

        tasks = [asyncio.create_task(one(number)) for number in range(50)]
        for task in tasks[20:30]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert inside == 0
        await _passes(gate)
        return most

    assert asyncio.run(run()) == 3


def _passes(gate: Gate) -> Awaitable[None]:
    async def enter() -> None:
        async with asyncio.timeout(5), gate:
            pass

    return enter()
