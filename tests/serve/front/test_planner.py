"""The plan's invariants: every text once, under the budget, little padding."""

from hypothesis import given
from hypothesis import strategies as st

from tritext_serve.front.planner import padding, plan

lengths = st.lists(st.integers(2, 512), max_size=200)


@given(lengths, st.integers(1, 2000), st.integers(1, 64))
def test_every_text_runs_exactly_once(lengths: list[int], max_tokens: int, max_texts: int) -> None:
    batches = plan(lengths, max_tokens, max_texts)
    assert sorted(int(i) for batch in batches for i in batch) == list(range(len(lengths)))


@given(lengths, st.integers(1, 2000), st.integers(1, 64))
def test_a_sub_batch_keeps_to_the_budget_unless_one_text_alone_exceeds_it(
    lengths: list[int], max_tokens: int, max_texts: int
) -> None:
    for batch in plan(lengths, max_tokens, max_texts):
        padded = len(batch) * max(lengths[i] for i in batch)
        assert len(batch) <= max_texts
        assert padded <= max_tokens or len(batch) == 1


@given(lengths)
def test_lengths_never_fall_and_equals_keep_their_order(lengths: list[int]) -> None:
    order = [int(i) for batch in plan(lengths, 384, 64) for i in batch]
    assert order == sorted(range(len(lengths)), key=lambda i: (lengths[i], i))


@given(lengths, st.integers(1, 2000))
def test_padding_is_what_the_batches_compute_beyond_the_texts(lengths: list[int], max_tokens: int) -> None:
    batches = plan(lengths, max_tokens, 64)
    computed = sum(len(batch) * max(lengths[i] for i in batch) for batch in batches)
    assert padding(lengths, batches) == computed - sum(lengths) >= 0


def test_a_batch_is_not_closed_before_it_is_full() -> None:
    assert [batch.tolist() for batch in plan([4] * 7, max_tokens=12, max_texts=8)] == [[0, 1, 2], [3, 4, 5], [6]]


def test_no_texts_make_no_batches() -> None:
    assert plan([], 384, 64) == []
