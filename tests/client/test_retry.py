"""When a request is sent again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tritext._errors import DeadlineExceeded, InvalidInput, QueueFull, TritextError, Unavailable, UnknownModel
from tritext._retry import Backoff, pause_before_retry

CHANCES = st.floats(0, 1, exclude_max=True)
SECONDS = st.floats(0, 1000)


@given(SECONDS, CHANCES, st.integers(0, 500), st.integers(0, 500), st.none() | SECONDS)
def test_a_pause_never_reaches_the_deadline(
    remaining: float, chance: float, attempt: int, retries: int, retry_after: float | None
) -> None:
    error = QueueFull("full")
    error.retry_after = retry_after
    pause = pause_before_retry(error, attempt, remaining, Backoff(retries), chance)
    assert pause is None or 0 <= pause < remaining


@given(CHANCES, st.integers(0, 500))
def test_a_pause_stays_under_its_ceiling(chance: float, attempt: int) -> None:
    pause = pause_before_retry(Unavailable("down"), attempt, 1000, Backoff(1000, first=0.5, longest=3.0), chance)
    assert pause is not None
    assert pause <= min(3.0, 0.5 * 2.0 ** min(attempt, 10))


def test_the_ceiling_doubles() -> None:
    backoff = Backoff(10, first=0.1, longest=0.5)
    pauses = [pause_before_retry(Unavailable("down"), attempt, 9, backoff, 0.5) for attempt in range(5)]
    assert pauses == pytest.approx([0.05, 0.1, 0.2, 0.25, 0.25])


def test_retries_are_counted() -> None:
    assert pause_before_retry(QueueFull("full"), 2, 9, Backoff(3), 0.5) is not None
    assert pause_before_retry(QueueFull("full"), 3, 9, Backoff(3), 0.5) is None
    assert pause_before_retry(QueueFull("full"), 0, 9, Backoff(0), 0.5) is None


@pytest.mark.parametrize("kind", [InvalidInput, UnknownModel, DeadlineExceeded, TritextError])
def test_what_cannot_get_better_is_not_retried(kind: type[TritextError]) -> None:
    assert pause_before_retry(kind("no"), 0, 9, Backoff(), 0.5) is None


def test_the_server_may_ask_for_more() -> None:
    error = QueueFull("full")
    error.retry_after = 4.0
    assert pause_before_retry(error, 0, 9, Backoff(), 0.5) == 4.0
    assert pause_before_retry(error, 0, 3, Backoff(), 0.5) is None
