"""Two Tritons behind one Envoy: each gets its share, and of two one may die under load with nothing lost."""

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from several import RETRIES, Crowd, Fleet, even, fairness, fleet, killed, requests_by_triton
from tests.e2e.endpoints import LABELS

# Envoy asks each second, and has no answer for a second more: some of these are missing.
HELD_SECONDS = 3.5

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture(scope="module")
def running(model_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with fleet(model_repository, tmp_path_factory.mktemp("several")) as started:
        yield started


def check(crowd: Crowd) -> None:
    """Each client's book is complete, and each text has the one right label in all of them."""
    for book in crowd.books:
        assert book.asked == book.answered + book.failed.total()
        assert all(said == {LABELS[text]} for text, said in book.labels.items()), book.labels
    assert {text for book in crowd.books for text in book.labels} == set(LABELS)


def test_both_get_their_share_and_every_client_is_served(running: Fleet) -> None:
    crowd, sent = even(running, list(LABELS), 600)
    check(crowd)
    assert failures(crowd) == {}
    assert len(sent) == 2
    assert sum(sent.values()) >= crowd.answered
    assert fairness(list(sent.values())) > 0.7  # 0.5 is all to one; a busy machine holds one up more than the other
    assert all(book.answered > 0 for book in crowd.books)


def test_one_killed_under_load_loses_nothing_to_who_asks_again(running: Fleet) -> None:
    """And to who does not, at most what it had in flight: Envoy must not ask twice what a Triton may have begun."""
    crowd, _ = killed(running, list(LABELS), 300)
    check(crowd)
    assert {book.retries for book in crowd.books} == {0, RETRIES}
    for book in crowd.books:
        assert book.failed in ([{}] if book.retries else [{}, {"Unavailable": 1}]), book
    assert [each["well"] for each in running.instances()] == [True, True]


def test_a_supervisor_that_is_held_up_costs_nobody_an_answer(running: Fleet) -> None:
    """As a busy machine holds it up; it says of every Triton whether it is well, and then of none."""
    with Crowd(running, list(LABELS)) as crowd:
        crowd.wait_for(50)
        os.kill(running.supervisor, signal.SIGSTOP)
        try:
            time.sleep(HELD_SECONDS)
        finally:
            os.kill(running.supervisor, signal.SIGCONT)
        crowd.wait_for(100)
    check(crowd)
    assert failures(crowd) == {}


def failures(crowd: Crowd) -> dict[str, Counter[str]]:
    """Say who was told no, and how."""
    return {book.name: book.failed for book in crowd.books if book.failed}


def test_the_page_of_clusters_is_read_by_port() -> None:
    page = "blue::127.0.0.1:1::rq_total::7\nblue::127.0.0.1:1::rq_error::9\nblue_grpc::127.0.0.1:2::rq_total::5\nx::y\n"
    instances = [{"number": 0, "http": 1, "grpc": 2}, {"number": 1, "http": 3, "grpc": 4}]
    assert requests_by_triton(page, instances) == {"Triton 0": 12, "Triton 1": 0}


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=8))
def test_fairness_is_one_for_the_same_and_never_less_than_one_takes_all(counts: list[int]) -> None:
    assert 1 / len(counts) - 1e-9 <= fairness(counts) <= 1 + 1e-9
    assert fairness([counts[0]] * len(counts)) == pytest.approx(1)
