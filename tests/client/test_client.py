"""The client for threads, with a fake server and real time."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.client.fake_transport import FakeTransport, label
from tritext import Client, ConfigurationError, DeadlineExceeded, InvalidInput, Prediction, QueueFull, Unavailable


def client(server: FakeTransport, **options: Any) -> Client:
    return Client("grpc://h:1", "sentiment", transport=server, **options)


def test_a_str_gives_a_prediction() -> None:
    found = client(FakeTransport()).classify("four")
    assert found == Prediction("four", "so: so", 0.75, 4, False, "1")


def test_a_list_gives_a_list() -> None:
    found = client(FakeTransport()).classify(["four"], scores=True)
    assert [type(prediction) for prediction in found] == [Prediction]
    assert found[0].scores == {"negative": 0.125, "so: so": 0.75, "positive": 0.125}


def test_any_iterable_will_do() -> None:
    found = client(FakeTransport()).classify(text for text in ("a", "bb"))
    assert [prediction.text for prediction in found] == ["a", "bb"]


def test_nothing_in_nothing_out() -> None:
    server = FakeTransport()
    assert client(server).classify([]) == []
    assert server.calls == []


def test_a_client_in_the_background_says_so_of_every_request() -> None:
    for background in (True, False):
        server = FakeTransport()
        client(server, background=background, max_batch_size=1).classify(["a", "bb"], scores=True)
        assert {call.background for call in server.calls} == {background}
        assert {call.class_count > 0 for call in server.calls} == {True, False}, "the labels are asked for too"


def test_wrong_input_is_not_sent() -> None:
    server = FakeTransport()
    with pytest.raises(InvalidInput, match=r"texts\[1\]"):
        client(server).classify(["a", None])  # type: ignore[list-item]
    assert server.calls == []


@settings(deadline=None, max_examples=30)
@given(st.lists(st.text(max_size=6), min_size=1, max_size=80), st.integers(1, 20), st.integers(1, 8))
def test_with_concurrency_each_answer_belongs_to_its_text(texts: list[str], size: int, concurrency: int) -> None:
    class Uneven(FakeTransport):
        def answer(self, call: Any) -> Any:
            time.sleep(0.0005 * (len(call.texts[0]) % 3))  # so that later chunks overtake earlier ones
            return super().answer(call)

    server = Uneven()
    found = client(server, max_batch_size=size, concurrency=concurrency).classify(texts)
    assert [prediction.text for prediction in found] == texts
    assert [prediction.label for prediction in found] == [label(text) for text in texts]
    assert server.most_in_flight <= concurrency


def test_chunks_travel_together() -> None:
    server = FakeTransport(delay=0.1)
    client(server, max_batch_size=1, concurrency=4).classify([*"abcdefgh"])
    assert server.most_in_flight == 4


def test_many_threads_share_one_client() -> None:
    server = FakeTransport(limit=3, delay=0.001)
    shared = client(server, max_batch_size=5, concurrency=2)
    gate = threading.Barrier(16)

    def work(number: int) -> list[tuple[str, str]]:
        gate.wait(10)
        texts = ["x" * (number + i) for i in range(12)]
        return [(p.text, p.label) for _ in range(5) for p in shared.classify(texts, timeout=30)]

    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(work, range(16)))
    for number, result in enumerate(results):
        assert result == [("x" * (number + i), label("x" * (number + i))) for i in range(12)] * 5
    assert len(server.label_calls) == 1


def test_retries_take_place() -> None:
    server = FakeTransport(errors=[QueueFull("full"), Unavailable("down")])
    assert client(server).classify("four").label == "so: so"
    assert len(server.batches) == 3


def test_the_first_failure_ends_a_call_of_many_chunks() -> None:
    server = FakeTransport(errors=[InvalidInput("bad")], delay=0.02)
    with pytest.raises(InvalidInput, match="bad"):
        client(server, max_batch_size=1, concurrency=2).classify(["x"] * 100)
    assert len(server.calls) < 10


def test_the_deadline_ends_a_call_of_many_chunks() -> None:
    server = FakeTransport(delay=0.05)
    begun = time.monotonic()
    with pytest.raises(DeadlineExceeded, match="model 'sentiment'"):
        client(server, max_batch_size=1, concurrency=2).classify(["x"] * 1000, timeout=0.3)
    assert time.monotonic() - begun < 15


def test_the_deadline_holds_where_a_transport_overruns() -> None:
    server = FakeTransport(delay=4)
    begun = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        client(server, max_batch_size=1).classify(["x", "y"], timeout=0.1)
    assert time.monotonic() - begun < 3


def test_a_call_s_own_timeout_beats_the_client_s() -> None:
    server = FakeTransport()
    client(server, timeout=9.0).classify("a")
    client(server, timeout=9.0).classify("a", timeout=2.0)
    first, _, second, _ = (call.timeout for call in server.calls)
    assert first == pytest.approx(9.0, abs=0.5)
    assert second == pytest.approx(2.0, abs=0.5)
    with pytest.raises(ConfigurationError, match="timeout 0"):
        client(server).classify("a", timeout=0)


def test_waiting_for_another_thread_s_label_names_ends_in_time() -> None:
    slow = client(FakeTransport())
    with slow._learning, pytest.raises(DeadlineExceeded):
        slow.classify("a", timeout=0.05)


def test_ready() -> None:
    server = FakeTransport(errors=[Unavailable("down")] * 2)
    asked = client(server)
    assert asked.ready() is False
    asked.wait_until_ready(5)
    assert asked.ready() is True


def test_closing() -> None:
    server = FakeTransport()
    with client(server) as closing:
        closing.classify("a")
    assert server.closed
    with pytest.raises(ConfigurationError, match="closed"):
        closing.classify("a")


def test_repr_names_the_place_and_no_key() -> None:
    shown = repr(Client("grpc://h:1", "m", version=3, api_key="secret", transport=FakeTransport()))
    assert shown == "<Client grpc://h:1 model 'm' version 3>"
