"""Requests on a schedule: each is sent once, counted from its moment, and sorted by what came of it."""

import threading
import time
from collections.abc import Sequence

import pytest

from tritext import InferenceFailed, QueueFull
from tritext_loadtest.texts import Item
from tritext_loadtest.tune.offer import Request, offer
from tritext_loadtest.tune.sweep import batches

ITEMS = [Item(f"text {i}") for i in range(5)]


def upper(items: Sequence[Item]) -> list[str]:
    """Answer with the text in capitals."""
    return [one.text.upper() for one in items]


def requests(size: int = 1) -> list[Request]:
    """The items with the answers that they get."""
    return batches(ITEMS, upper(ITEMS), size)


def test_items_are_cut_into_requests() -> None:
    assert [len(one.items) for one in requests(2)] == [2, 2, 1]
    assert [item for one in requests(2) for item in one.items] == ITEMS
    assert requests(2)[1].labels == ("TEXT 2", "TEXT 3")


def test_requests_start_over_and_every_label_is_looked_at() -> None:
    asked: list[str] = []
    lock = threading.Lock()

    def ask(items: Sequence[Item]) -> list[str]:
        with lock:
            asked.extend(one.text for one in items)
        return ["TEXT 1" if one.text == "text 2" else one.text.upper() for one in items]

    done = offer(ask, requests(2), [0.001 * i for i in range(6)])
    assert sorted(asked) == sorted([item.text for item in ITEMS] * 2)
    assert (done.texts, done.wrong, len(done.latencies)) == (10, 2, 6)
    assert done.figures["label_mismatch"] == 2


def test_a_label_that_hangs_in_the_balance_is_never_wrong() -> None:
    assert offer(upper, [Request((ITEMS[0],), ("",))], [0.0]).wrong == 0


def test_latency_counts_from_when_a_request_was_due() -> None:
    def ask(items: Sequence[Item]) -> list[str]:
        time.sleep(0.05)
        return upper(items)

    started = time.perf_counter()
    done = offer(ask, requests(), [0.5])
    assert time.perf_counter() - started >= 0.55
    assert 0.05 <= done.latencies[0] < 0.5 + done.lateness[0]


def test_refusals_and_failures_are_told_apart_and_have_no_latency() -> None:
    def ask(items: Sequence[Item]) -> list[str]:
        if items[0].text == "text 0":
            raise QueueFull("full")
        if items[0].text == "text 1":
            raise InferenceFailed("broken")
        return upper(items)

    done = offer(ask, requests(), [0.0] * 5)
    assert (done.rejected, done.failed, done.texts, len(done.latencies)) == (1, 1, 3, 3)
    assert (done.figures["rejected_share"], done.figures["error_rate"]) == (0.2, 0.2)


def test_where_nothing_is_answered_no_latency_holds() -> None:
    def ask(_: Sequence[Item]) -> list[str]:
        raise QueueFull("full")

    assert offer(ask, requests(), [0.0]).figures["p99_ms"] == float("inf")


def test_an_interruption_ends_the_senders() -> None:
    class Ended(Exception):
        """Instead of Ctrl-C."""

    class Moments(list[float]):
        """Moments of which the last never comes."""

        def __iter__(self):  # type: ignore[no-untyped-def]  # a generator of floats
            yield 0.0
            raise Ended

    before = threading.active_count()
    with pytest.raises(Ended):
        offer(upper, requests(), Moments([0.0, 1.0]))
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() <= before
