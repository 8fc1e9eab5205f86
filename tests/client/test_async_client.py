"""The client for an event loop, with a fake server and real time."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.client.fake_transport import FakeAsyncTransport, FakeTransport, label
from tritext import (
    AsyncClient,
    Client,
    ConfigurationError,
    DeadlineExceeded,
    InvalidInput,
    Prediction,
    QueueFull,
    Unavailable,
)


def run(server: FakeTransport, talk: Callable[[AsyncClient], Awaitable[Any]], **options: Any) -> Any:
    """Run ``talk`` with a client of its own."""

    async def main() -> Any:
        async with AsyncClient("grpc://h:1", "sentiment", transport=FakeAsyncTransport(server), **options) as client:
            return await talk(client)

    return asyncio.run(main())


def test_it_has_the_sync_client_s_surface() -> None:
    def surface(kind: type) -> dict[str, inspect.Signature]:
        methods = inspect.getmembers(kind, inspect.isfunction)
        return {name: inspect.signature(method) for name, method in methods if not name.startswith("_")}

    assert surface(AsyncClient) == surface(Client)
    assert inspect.signature(AsyncClient) == inspect.signature(Client)


def test_a_str_gives_a_prediction() -> None:
    assert run(FakeTransport(), lambda c: c.classify("four")) == Prediction("four", "so: so", 0.75, 4, False, "1")


def test_a_list_gives_a_list() -> None:
    (found,) = run(FakeTransport(), lambda c: c.classify(["four"], scores=True))
    assert found.scores == {"negative": 0.125, "so: so": 0.75, "positive": 0.125}


def test_nothing_in_nothing_out() -> None:
    server = FakeTransport()
    assert run(server, lambda c: c.classify([])) == []
    assert server.calls == []


@settings(deadline=None, max_examples=30)
@given(st.lists(st.text(max_size=6), min_size=1, max_size=80), st.integers(1, 20), st.integers(1, 8))
def test_with_concurrency_each_answer_belongs_to_its_text(texts: list[str], size: int, concurrency: int) -> None:
    server = FakeTransport(limit=7)
    found = run(server, lambda c: c.classify(texts), max_batch_size=size, concurrency=concurrency)
    assert [prediction.text for prediction in found] == texts
    assert [prediction.label for prediction in found] == [label(text) for text in texts]
    assert server.most_in_flight <= concurrency


def test_chunks_travel_together() -> None:
    server = FakeTransport(delay=0.02)
    run(server, lambda c: c.classify([*"abcdefgh"]), max_batch_size=1, concurrency=4)
    assert server.most_in_flight == 4


def test_many_tasks_share_one_client() -> None:
    server = FakeTransport(delay=0.005)

    async def talk(client: AsyncClient) -> list[Prediction]:
        return await asyncio.gather(*(client.classify("x" * i) for i in range(50)))

    assert [prediction.label for prediction in run(server, talk)] == [label("x" * i) for i in range(50)]
    assert server.most_in_flight == 50
    assert len(server.label_calls) == 1


def test_retries_take_place() -> None:
    server = FakeTransport(errors=[QueueFull("full"), Unavailable("down")])
    assert run(server, lambda c: c.classify("four")).label == "so: so"
    assert len(server.batches) == 3


def test_the_first_failure_ends_a_call_of_many_chunks() -> None:
    server = FakeTransport(errors=[InvalidInput("bad")], delay=0.02)
    with pytest.raises(InvalidInput, match="bad"):
        run(server, lambda c: c.classify(["x"] * 100), max_batch_size=1, concurrency=2)
    assert len(server.calls) < 10
    assert server.in_flight == 0


def test_the_deadline_ends_a_call_of_many_chunks() -> None:
    server = FakeTransport(delay=0.05)
    begun = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        run(server, lambda c: c.classify(["x"] * 1000, timeout=0.3), max_batch_size=1, concurrency=2)
    assert time.monotonic() - begun < 15
    assert server.in_flight == 0


def test_cancelling_a_call_cancels_its_requests() -> None:
    server = FakeTransport(delay=30)

    async def talk(client: AsyncClient) -> None:
        task = asyncio.create_task(client.classify(["x"] * 10))
        await asyncio.sleep(0.05)
        assert server.in_flight > 0
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(server, talk, max_batch_size=1)
    assert server.in_flight == 0


def test_waiting_for_another_task_s_label_names_ends_in_time() -> None:
    async def talk(client: AsyncClient) -> None:
        async with client._learning:
            await client.classify("a", timeout=0.05)

    with pytest.raises(DeadlineExceeded):
        run(FakeTransport(), talk)


def test_ready() -> None:
    async def talk(client: AsyncClient) -> tuple[bool, bool]:
        before = await client.ready()
        await client.wait_until_ready(5)
        return before, await client.ready()

    assert run(FakeTransport(errors=[Unavailable("down")] * 2), talk) == (False, True)


def test_closing() -> None:
    server = FakeTransport()

    async def talk(client: AsyncClient) -> None:
        await client.close()
        assert server.closed
        await client.classify("a")

    with pytest.raises(ConfigurationError, match="closed"):
        run(server, talk)


def test_a_client_that_was_never_used_can_be_closed() -> None:
    asyncio.run(AsyncClient("grpc://h:1").close())
