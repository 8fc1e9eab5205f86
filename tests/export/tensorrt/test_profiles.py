"""Optimisation profiles: every shape that the front's planner sends lies inside one."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tritext_export.errors import EngineError
from tritext_export.tensorrt.profiles import Profile, plan_profiles
from tritext_serve.front.planner import plan

limits = st.tuples(st.integers(1, 20_000), st.integers(1, 300), st.integers(1, 9000))


@given(limits, st.data())
@example((384, 64, 512), None)
@example((16_384, 64, 512), None)
def test_every_batch_of_the_planner_is_inside(limits: tuple[int, int, int], data: st.DataObject | None) -> None:
    max_tokens, max_texts, max_length = limits
    profiles = plan_profiles(max_tokens, max_texts, max_length)
    lengths = list(range(1, max_length + 1)) * 2
    if data is not None:
        lengths = data.draw(st.lists(st.integers(1, max_length), min_size=1, max_size=400))
    for batch in plan(lengths, max_tokens, max_texts):
        shape = (len(batch), max(lengths[i] for i in batch))
        assert profiles[0].covers(shape)
        assert any(profile.covers(shape) for profile in profiles[1:] or profiles)


@given(limits)
def test_profiles_are_ordered_and_typical_shapes_are_sent(limits: tuple[int, int, int]) -> None:
    max_tokens, max_texts, _ = limits
    for profile in plan_profiles(*limits):
        assert profile.covers(profile.smallest)
        assert profile.covers(profile.typical)
        assert profile.covers(profile.largest)
        texts, length = profile.typical
        assert texts == 1 or (texts * length <= max_tokens and texts <= max_texts)


@given(limits)
def test_ranges_of_lengths_follow_one_another_and_end_with_the_longest(limits: tuple[int, int, int]) -> None:
    whole, *parts = plan_profiles(*limits)
    assert whole.largest[1] == limits[2]
    starts = [profile.smallest[1] for profile in parts or [whole]]
    ends = [profile.largest[1] for profile in parts or [whole]]
    assert starts == [1, *(end + 1 for end in ends[:-1])]
    assert ends[-1] == limits[2]


def test_their_number_depends_on_the_longest_text_alone() -> None:
    assert {len(plan_profiles(tokens, texts, 512)) for tokens in (1, 384, 99_999) for texts in (1, 64)} == {4}


def test_the_demos_profiles() -> None:
    assert plan_profiles(384, 64, 512) == (
        Profile((1, 1), (12, 32), (64, 512)),
        Profile((1, 1), (12, 32), (64, 32)),
        Profile((1, 33), (3, 128), (11, 128)),
        Profile((1, 129), (1, 512), (2, 512)),
    )


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_limit_below_one_is_refused(place: int) -> None:
    numbers = [384, 64, 512]
    numbers[place] = 0
    with pytest.raises(EngineError, match=r"max_\w+ is 0: take 1 or more"):
        plan_profiles(*numbers)
