"""The queue: bounded, in order, in batches; nobody is forgotten and nobody is answered twice."""

import threading
import time
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tritext_serve.front.options import OptionsError
from tritext_serve.front.scheduler import Gathering, Scheduler, read_background, read_max_queue
from tritext_serve.front.texts import TextError


class Held:
    """An engine that waits until it may begin, and remembers its batches."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.begun, self.go = threading.Event(), threading.Event()

    def answer(self, jobs: Sequence[int]) -> None:
        self.begun.set()
        self.go.wait(20)
        self.batches.append(list(jobs))


@settings(max_examples=30, deadline=None)
@given(sizes=st.lists(st.integers(1, 12), min_size=1, max_size=30))
def test_every_job_is_answered_once_in_order_and_batches_keep_their_limit(sizes: list[int]) -> None:
    held = Held()
    held.go.set()
    scheduler: Scheduler[int] = Scheduler(held.answer, max_waiting=100, max_texts=8, gathering=Gathering(0, 0))
    for number, texts in enumerate(sizes):
        assert scheduler.admit(number, texts)
        scheduler.pace()
    scheduler.close()
    assert [job for batch in held.batches for job in batch] == list(range(len(sizes)))
    assert all(len(batch) == 1 or sum(sizes[job] for job in batch) <= 8 for batch in held.batches)


def test_a_full_queue_refuses_and_what_runs_does_not_count() -> None:
    held = Held()
    scheduler: Scheduler[int] = Scheduler(held.answer, max_waiting=2, max_texts=8)
    assert scheduler.admit(0, 1)
    assert held.begun.wait(20)
    assert [scheduler.admit(number, 1) for number in (1, 2, 3)] == [True, True, False]
    assert scheduler.is_full
    held.go.set()
    scheduler.close()
    assert held.batches == [[0], [1, 2]]
    assert not scheduler.admit(4, 1)


def test_background_jobs_let_the_others_pass() -> None:
    held = Held()
    scheduler: Scheduler[int] = Scheduler(held.answer, max_waiting=9, max_texts=2)
    scheduler.admit(0, 1)
    assert held.begun.wait(20)
    for number in (1, 2, 3, 4):
        scheduler.admit(number, 1, later=number < 3)
    held.go.set()
    scheduler.close()
    assert held.batches == [[0], [3, 4], [1, 2]]


def test_it_waits_a_moment_for_the_clients_that_it_has_just_answered() -> None:
    held = Held()
    scheduler: Scheduler[int] = Scheduler(held.answer, max_waiting=9, max_texts=9, gathering=Gathering(60, 60))
    scheduler.admit(0, 1)
    assert held.begun.wait(20)
    scheduler.admit(1, 1)
    scheduler.admit(2, 1)
    held.go.set()
    while not held.batches:
        time.sleep(0.001)
    time.sleep(0.02)
    assert held.batches == [[0]]
    scheduler.admit(3, 1)
    while len(held.batches) < 2:
        time.sleep(0.001)
    scheduler.close()
    assert held.batches == [[0], [1, 2, 3]]


@pytest.mark.parametrize(("gathering", "more"), [(Gathering(20, 20), [1, 2, 3, 4]), (Gathering(20, 0.01), [1])])
def test_it_waits_no_longer_once_most_have_come_or_the_others_pause(gathering: Gathering, more: list[int]) -> None:
    held = Held()
    scheduler: Scheduler[int] = Scheduler(held.answer, 9, 9, gathering)
    scheduler.admit(0, 1)
    assert held.begun.wait(20)
    for job in more:
        scheduler.admit(job, 1)
    started = time.monotonic()
    held.go.set()
    while len(held.batches) < 2:  # whoever sent the first one is still expected
        time.sleep(0.001)
    assert time.monotonic() - started < 10
    scheduler.close()
    assert held.batches == [[0], more]


def test_who_hands_over_a_few_to_an_idle_engine_answers_them_behind_those_that_wait() -> None:
    held = Held()
    held.go.set()
    scheduler: Scheduler[int] = Scheduler(held.answer, max_waiting=9, max_texts=9, gathering=Gathering(20, 20))
    assert scheduler.claim(2, 2) == []
    assert scheduler.admit(0, 1), "what comes meanwhile waits"
    assert scheduler.claim(1, 1) is None
    scheduler.ended(2)
    assert scheduler.claim(1, 1) is None, "the clients of both are awaited"
    assert scheduler.claim(2, 2) == [0]
    scheduler.ended(3)
    assert held.batches == []
    scheduler.close()


def test_what_fills_a_batch_or_the_queue_is_not_answered_by_who_hands_it_over() -> None:
    held = Held()
    scheduler: Scheduler[int] = Scheduler(held.answer, max_waiting=3, max_texts=9)
    assert scheduler.claim(1, 9) is None
    assert scheduler.claim(4, 4) is None
    assert scheduler.claim(3, 8) == []
    scheduler.ended(3)
    held.go.set()
    scheduler.close()
    assert scheduler.claim(1, 1) is None


def test_what_waits_while_another_answers_is_taken_up_when_that_has_ended() -> None:
    held = Held()
    held.go.set()
    scheduler: Scheduler[int] = Scheduler(held.answer, max_waiting=9, max_texts=9)
    assert scheduler.claim(1, 1) == []
    scheduler.admit(0, 1)
    time.sleep(0.02)
    assert held.batches == []
    scheduler.ended(1)
    scheduler.close()
    assert held.batches == [[0]]


@settings(max_examples=30, deadline=None)
@given(sizes=st.lists(st.tuples(st.integers(1, 6), st.integers(1, 4)), min_size=1, max_size=30))
def test_by_whomever_they_are_answered_it_is_once_and_in_order(sizes: list[tuple[int, int]]) -> None:
    answered: list[int] = []
    scheduler: Scheduler[int] = Scheduler(
        answered.extend, max_waiting=200, max_texts=8, gathering=Gathering(0.0002, 0.0002)
    )
    number = 0
    for jobs, texts in sizes:
        own = range(number, number := number + jobs)
        waiting = scheduler.claim(jobs, jobs * texts)
        if waiting is None:
            assert all(scheduler.admit(job, texts) for job in own)
            scheduler.pace()
            continue
        answered += [*waiting, *own]
        scheduler.ended(len(waiting) + jobs)
    scheduler.close()
    assert answered == list(range(number))


def test_a_lone_client_waits_for_nobody() -> None:
    held = Held()
    held.go.set()
    scheduler: Scheduler[int] = Scheduler(held.answer, max_waiting=9, max_texts=9, gathering=Gathering(20, 20))
    started = time.monotonic()
    for number in range(5):
        scheduler.admit(number, 1)
        while len(held.batches) <= number:
            time.sleep(0.001)
    assert time.monotonic() - started < 10
    scheduler.close()


def test_who_hands_over_is_kept_while_the_engine_works_but_not_for_long() -> None:
    held = Held()
    scheduler: Scheduler[int] = Scheduler(held.answer, max_waiting=9, max_texts=9)
    scheduler.admit(0, 1)
    assert held.begun.wait(20)
    started = time.monotonic()
    scheduler.pace()
    assert 0.004 < time.monotonic() - started < 10
    held.go.set()
    scheduler.close()


def test_settings_are_read_and_refused_by_name() -> None:
    assert read_max_queue({"max_queue": "3"}) == 3
    assert read_background({"background": True})
    assert not read_background({})
    with pytest.raises(OptionsError, match="max_queue is '0'"):
        read_max_queue({"max_queue": "0"})
    with pytest.raises(TextError, match="background is 'yes': give true or false"):
        read_background({"background": "yes"})


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_answer_that_fails_all_the_same_leaves_the_engine_free() -> None:
    begun = threading.Event()

    def answer(jobs: Sequence[int]) -> None:
        begun.set()
        raise MemoryError

    scheduler: Scheduler[int] = Scheduler(answer, max_waiting=4, max_texts=8, gathering=Gathering(0, 0))
    assert scheduler.admit(1, 1)
    assert begun.wait(20)
    ends = time.monotonic() + 20
    while scheduler.claim(1, 1) is None:
        assert time.monotonic() < ends, "the engine is held for ever"
        time.sleep(0.01)
    scheduler.ended(1)
    scheduler.close()
