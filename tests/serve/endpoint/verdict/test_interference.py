"""Others change an endpoint while a candidate is on its way: what they set stays, and nothing unseen is promoted."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.serve.endpoint.verdict.world import BEFORE, World, ignore, promote
from tritext_serve.endpoint.verdict.look import Shares
from tritext_serve.endpoint.verdict.promotion import Stage, TakenOver
from tritext_serve.errors import EndpointError, PromoteError


@settings(max_examples=60)
@given(order=st.integers(1, 6), look=st.integers(1, 40), fails=st.sampled_from([0.0, 0.5]))
def test_what_somebody_else_sets_between_a_look_and_an_order_is_left(order: int, look: int, fails: float) -> None:
    """Whoever it is, a person or `apply`: the step, or the way back from it, that was decided before is refused."""
    world, orders, looks = World(fails=(fails, 25)), Counter[str](), Counter[str]()
    theirs = {"blue": 40, "green": 60}

    def interfere() -> None:
        orders["all"] += 1
        if orders["all"] == order:
            world.become(theirs, {})

    def interrupt(stage: Stage, lacking: tuple[str, ...]) -> None:
        looks["all"] += 1
        if looks["all"] == look:
            raise KeyboardInterrupt

    world.meanwhile = interfere
    error = None
    try:
        promote(world, say=interrupt)
    except (KeyboardInterrupt, PromoteError) as raised:
        error = raised
    left = orders["all"] >= order
    assert isinstance(error, TakenOver) == left
    split = theirs if left else BEFORE if error else {"blue": 0, "green": 100}
    assert (world.traffic, world.mirrored) == (split, {})


@pytest.mark.parametrize("share", [0, 10, 25, 100])
def test_an_order_that_arrives_late_is_refused_once_it_was_put_back(share: int) -> None:
    """An interrupt comes while the endpoint is at an `apply`: the step waits there, and so does the way back."""
    world = World()
    late: list[tuple[Shares, Shares, int]] = []

    def interrupted(traffic: Shares, mirror: Shares, *, seen: int, force: bool = False) -> None:
        if traffic["green"] == share and not force:
            late.append((traffic, mirror, seen))
            raise KeyboardInterrupt
        World.split(world, traffic, mirror, seen=seen, force=force)

    world.split = interrupted  # type: ignore[method-assign]  # an endpoint that takes its time
    with pytest.raises(KeyboardInterrupt):
        promote(world)
    assert (world.traffic, world.mirrored) == (BEFORE, {})
    traffic, mirror, seen = late.pop()
    with pytest.raises(EndpointError, match="was changed meanwhile"):
        World.split(world, traffic, mirror, seen=seen)
    assert world.traffic == BEFORE


@pytest.mark.parametrize("share", [0, 10, 25, 100])
def test_an_order_that_arrives_before_the_way_back_is_put_back_too(share: int) -> None:
    world = World()

    def interrupted(traffic: Shares, mirror: Shares, *, seen: int, force: bool = False) -> None:
        World.split(world, traffic, mirror, seen=seen, force=force)
        if traffic["green"] == share and not force:
            raise KeyboardInterrupt

    world.split = interrupted  # type: ignore[method-assign]  # its answer does not come
    with pytest.raises(KeyboardInterrupt):
        promote(world)
    assert (world.traffic, world.mirrored) == (BEFORE, {})


def test_changes_that_matter_nothing_here_do_not_end_it() -> None:
    """Keys are rotated, and an `apply --keep-traffic` brings red and takes it away again."""
    world = World(traffic=BEFORE | {"red": 0}, crews={"blue": 0, "green": 0, "red": 0})

    def change() -> None:
        if len(world.told) in (0, 2, 3):
            world.crews.pop("red", None)
            world.traffic = {name: share for name, share in world.traffic.items() if name != "red"}
            world.revision += 1

    world.meanwhile = change
    promote(world)
    assert world.traffic == {"blue": 0, "green": 100}


@pytest.mark.parametrize("who", ["blue", "green"])
@pytest.mark.parametrize(
    ("at", "on_its_way"), [(0, False), (0, True), (10, False), (10, True), (100, False)],
)  # fmt: skip
def test_a_deployment_that_was_replaced_is_not_promoted_on_what_its_predecessor_showed(
    who: str, at: int, on_its_way: bool
) -> None:
    """`tritext endpoint apply --keep-traffic`: the split stays, and other Tritons have the same names."""
    world = World()

    def replace() -> None:
        if world.told and world.traffic["green"] == at and world.crews[who] == 0:
            world.replace(who)

    if on_its_way:  # of the next order
        world.meanwhile = replace
    with pytest.raises(
        PromoteError, match=rf"^{who}: replaced or removed by .*: traffic is blue=100 green=0, as before"
    ):
        promote(world, say=ignore if on_its_way else lambda stage, lacking: replace())
    assert (world.traffic, world.mirrored) == (BEFORE, {})


def test_a_live_one_that_was_taken_away_cannot_be_put_back() -> None:
    world = World()

    def remove(stage: Stage, lacking: tuple[str, ...]) -> None:
        if stage.share == 100 and world.crews.pop("blue", None) is not None:
            world.become({"green": 100}, {})

    with pytest.raises(PromoteError, match=r"blue: replaced or removed.*could not be put back: .*no such deployment"):
        promote(world, say=remove)
    assert world.traffic == {"green": 100}
