"""Requests hold all good rows once, in order, and neither too many nor too much."""

from hypothesis import given
from hypothesis import strategies as st

from tritext_batch.requests import cut
from tritext_batch.rows import Row


@given(st.lists(st.one_of(st.none(), st.integers(0, 60))), st.integers(1, 5), st.integers(1, 100))
def test_requests_are_bounded(sizes: list[int | None], most: int, size: int) -> None:
    rows = [Row(n, None if length is None else "x" * length) for n, length in enumerate(sizes)]
    requests = cut(rows, most, size)
    assert [row for request in requests for row in request] == [row for row in rows if row.text is not None]
    for request in requests:
        assert 1 <= len(request) <= most
        assert len(request) == 1 or sum(4 * len(row.text or "") for row in request) <= size


def test_as_many_as_fit_go_together() -> None:
    assert [len(request) for request in cut([Row(n, "abc") for n in range(70)])] == [32, 32, 6]
