"""The closed loop: every text once, answers in order, errors not swallowed."""

import threading
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tritext import Prediction
from tritext_loadtest.load import Shape, chunks, run


def echo(texts: Sequence[str]) -> list[Prediction]:
    """Answer each text with itself as the label."""
    return [
        Prediction(text=t, label=t, score=1.0, tokens=1, truncated=False, model_version="1", scores=None) for t in texts
    ]


@given(st.lists(st.text(max_size=3), max_size=60), st.integers(1, 20))
def test_requests_hold_every_text_once_in_order(texts: list[str], size: int) -> None:
    requests = chunks(texts, size)
    assert [t for request in requests for t in request] == texts
    assert all(0 < len(request) <= size for request in requests)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.text(max_size=3), max_size=60), st.integers(1, 8), st.integers(1, 9))
def test_answers_come_in_the_texts_order_whoever_was_first(texts: list[str], clients: int, size: int) -> None:
    result = run(echo, texts, Shape(clients, size))
    assert [p.label for p in result.predictions] == texts
    assert result.texts == len(texts)
    assert len(result.latencies) == len(chunks(texts, size))


def test_no_more_requests_are_in_flight_than_there_are_clients() -> None:
    inside, most, lock = 0, 0, threading.Lock()
    meeting = threading.Barrier(3, timeout=10)

    def count(texts: Sequence[str]) -> list[Prediction]:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        meeting.wait()
        with lock:
            inside -= 1
        return echo(texts)

    run(count, ["x"] * 12, Shape(3, 1))
    assert most == 3


def test_a_workers_error_ends_the_load_and_is_raised() -> None:
    sent = []

    def fail(texts: Sequence[str]) -> list[Prediction]:
        sent.append(texts)
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError, match="gone"):
        run(fail, ["x"] * 1000, Shape(2, 1))
    assert len(sent) <= 2


def test_a_shape_says_itself() -> None:
    assert str(Shape(16, 1)) == "16 clients × 1 text"
    assert str(Shape(4, 16)) == "4 clients × 16 texts"
