"""Two Tritons behind one Envoy: each gets its share, and of two one may die under load with nothing lost."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from several import RETRIES, Crowd, Fleet, even, fairness, fleet, killed, requests_by_triton
from tests.e2e.endpoints import LABELS

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
    before = running.late()
    crowd, sent = even(running, list(LABELS), 600)
    check(crowd)
    busy = running.late() > before  # then both may be left out for a moment, and who asks once is told so
    for book in crowd.books:
        assert set(book.failed) <= ({"Unavailable"} if busy and not book.retries else set()), book
    assert len(sent) == 2
    assert sum(sent.values()) >= crowd.answered
    assert fairness(list(sent.values())) > 0.9
    assert all(book.answered > 0 for book in crowd.books)


def test_one_killed_under_load_loses_nothing_to_who_asks_again(running: Fleet) -> None:
    """And to who does not, at most what it had in flight: Envoy must not ask twice what a Triton may have begun."""
    before = running.late()
    crowd, _ = killed(running, list(LABELS), 300)
    check(crowd)
    busy = running.late() > before
    for book in crowd.books:
        if book.retries:
            assert book.failed.total() == 0, book
        else:
            assert set(book.failed) <= {"Unavailable"}, book
            assert busy or book.failed.total() <= 1, book
    assert {book.retries for book in crowd.books} == {0, RETRIES}
    assert [each["well"] for each in running.instances()] == [True, True]


def test_the_page_of_clusters_is_read_by_port() -> None:
    page = "blue::127.0.0.1:1::rq_total::7\nblue::127.0.0.1:1::rq_error::9\nblue_grpc::127.0.0.1:2::rq_total::5\nx::y\n"
    instances = [{"number": 0, "http": 1, "grpc": 2}, {"number": 1, "http": 3, "grpc": 4}]
    assert requests_by_triton(page, instances) == {"Triton 0": 12, "Triton 1": 0}


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=8))
def test_fairness_is_one_for_the_same_and_never_less_than_one_takes_all(counts: list[int]) -> None:
    assert 1 / len(counts) - 1e-9 <= fairness(counts) <= 1 + 1e-9
    assert fairness([counts[0]] * len(counts)) == pytest.approx(1)
