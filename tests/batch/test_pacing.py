"""The window finds what a server can take without filling its queue; failures lead to what helps."""

import pytest

from tritext import (
    AccessDenied,
    BatchTooLarge,
    DeadlineExceeded,
    InferenceFailed,
    InvalidInput,
    QueueFull,
    TritextError,
    Unavailable,
    UnknownModel,
)
from tritext_batch.pacing import HOLD, Decision, Divide, Patience, Reject, Stop, Wait, Window, decide


def settle(window: Window, capacity: int, answers: int = 6000) -> list[int]:
    """Ask a server that answers 10 requests a second for each of ``capacity`` in flight; gives the limits it saw."""
    now, seen = 0.0, []
    for _ in range(answers):
        now += 0.1 / min(window.limit, capacity)
        window.answered(32, now)
        seen.append(window.limit)
    return seen


@pytest.mark.parametrize("capacity", [1, 2, 4, 8, 20])
def test_the_window_takes_what_makes_it_faster_and_little_more(capacity: int) -> None:
    limits = settle(Window(first=4, most=32), capacity)
    usual = sorted(limits)[len(limits) // 2]
    assert min(capacity, 4) <= usual <= max(4, capacity * 1.6)


def test_the_window_never_leaves_its_bounds() -> None:
    window = Window(first=4, most=9)
    assert max(settle(window, 100)) == 9
    for moment in range(10):
        window.refused()
        assert window.limit >= 1
        window.answered(32, float(moment))
    assert window.limit == 1


def test_a_refusal_halves_it_and_it_grows_again_later() -> None:
    window = Window(first=4, most=32)
    settle(window, 16)
    before = window.limit
    for _ in range(before):  # all that were in flight
        window.refused()
    assert window.limit == before // 2
    assert max(settle(window, 16, HOLD * 200)) > before // 2


FULL, AWAY, LATE = QueueFull("full"), Unavailable("away"), DeadlineExceeded("late")
PATIENCE = Patience(seconds=60, failures=2, longest=5)


@pytest.mark.parametrize(
    ("error", "texts", "attempt", "waited", "expected"),
    [
        (InvalidInput("bad"), 32, 1, 0.0, Divide()),
        (InvalidInput("bad"), 1, 1, 0.0, Reject()),
        (FULL, 32, 1, 0.0, Wait(0.1)),
        (AWAY, 32, 20, 30.0, Wait(5)),
        (AWAY, 32, 20, 59.0, Stop()),
        (LATE, 1, 1, 0.0, Wait(0.1)),
        (InferenceFailed("broken"), 32, 2, 1.0, Wait(0.2)),
        (InferenceFailed("broken"), 32, 3, 1.0, Stop()),
        (AccessDenied("no"), 32, 1, 0.0, Stop()),
        (UnknownModel("what"), 32, 1, 0.0, Stop()),
        (BatchTooLarge("much"), 32, 1, 0.0, Stop()),
    ],
)
def test_a_failure_leads_to_what_helps(
    error: TritextError, texts: int, attempt: int, waited: float, expected: Decision
) -> None:
    assert decide(error, texts, attempt, waited, PATIENCE) == expected


def test_a_server_that_says_when_is_believed() -> None:
    asks = QueueFull("full")
    asks.retry_after = 17.0
    assert decide(asks, 32, 1, 0.0, PATIENCE) == Wait(17.0)
    assert decide(asks, 32, 1, 50.0, PATIENCE) == Stop()
