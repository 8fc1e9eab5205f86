"""Requests of equal shape run together, each exactly once."""

from hypothesis import given
from hypothesis import strategies as st

from tritext_serve.engine.grouping import group_equal


@given(st.lists(st.integers(0, 4)))
def test_groups_hold_every_position_once_and_one_key_each(keys: list[int]) -> None:
    groups = group_equal(keys)
    assert sorted(i for group in groups for i in group) == list(range(len(keys)))
    assert all(len({keys[i] for i in group}) == 1 for group in groups)
    assert len(groups) == len(set(keys))
