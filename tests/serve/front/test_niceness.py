"""Threads that compute step back; those that hand requests over stay as they are."""

import os
import threading
from collections.abc import Sequence

import numpy as np
import pytest

from tests.serve.front.test_pipeline import sum_of_ids
from tritext_serve.front.classifiers import Lanes
from tritext_serve.front.niceness import STEP
from tritext_serve.front.scheduler import Scheduler
from tritext_serve.front.tokens import IdArray


def niceness() -> int:
    """The calling thread's own."""
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def test_who_empties_the_queue_steps_back_and_who_fills_it_does_not() -> None:
    seen: list[int] = []
    before = niceness()
    scheduler: Scheduler[int] = Scheduler(lambda jobs: seen.append(niceness()), 4, 4)
    assert scheduler.admit(1, 1)
    scheduler.close()
    assert seen == [min(19, before + STEP)]
    assert niceness() == before


def test_a_lanes_own_thread_steps_back() -> None:
    seen: dict[int, int] = {}
    both = threading.Barrier(2, timeout=20)

    def run(arrays: Sequence[IdArray]) -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
        both.wait()  # so that neither thread takes both sub-batches
        seen[threading.get_native_id()] = niceness()
        return sum_of_ids(arrays)

    before = niceness()
    ones = [np.ones((1, 2), np.int64)] * 2
    Lanes(run, 2).run([ones, ones])
    assert seen.pop(threading.get_native_id()) == before
    assert list(seen.values()) == [min(19, before + STEP)]


def test_where_it_is_forbidden_the_queue_is_emptied_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def forbidden(kind: int, thread: int, niceness: int) -> None:
        asked.append(niceness)
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "setpriority", forbidden)
    seen: list[int] = []
    scheduler: Scheduler[int] = Scheduler(seen.extend, 4, 4)
    assert scheduler.admit(1, 1)
    scheduler.close()
    assert (seen, len(asked)) == ([1], 1)
