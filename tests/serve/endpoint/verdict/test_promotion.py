"""A candidate's way up and back, at an endpoint that is simulated second by second; its real one is in tests/e2e."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.serve.endpoint.verdict.world import BEFORE, PLAN, World, ignore, promote
from tritext_serve.endpoint.verdict.join import Agreement
from tritext_serve.endpoint.verdict.look import Look, Shares
from tritext_serve.endpoint.verdict.promotion import Plan, Promotion, Stage, TakenOver
from tritext_serve.endpoint.verdict.report import promotion_json, promotion_markdown, verdict_markdown
from tritext_serve.errors import EndpointError, PromoteError


def test_an_equal_candidate_gets_everything_step_by_step() -> None:
    world = World()
    promotion = promote(world)
    assert [(traffic["green"], mirror) for traffic, mirror in world.told] == [
        (0, {"green": 10}), (10, {}), (25, {}), (50, {}), (100, {}),
    ]  # fmt: skip
    assert (world.traffic, world.mirrored) == ({"blue": 0, "green": 100}, {})
    assert [stage.share for stage in promotion.stages] == [0, 10, 25, 50, 100]
    assert world.now >= 4 * PLAN.step_seconds


@pytest.mark.parametrize(
    ("world", "words"),
    [
        (
            World(flips=1.0),
            r"'green' mirrored: .* of .* texts get another label .*traffic is blue=100 green=0, as before",
        ),
        (World(fails=(0.5, 0)), "'green' mirrored: .* answers are errors"),
        (World(fails=(0.5, 25)), "'green' at 25 %: .* answers are errors"),
        (World(milliseconds=40.0), "'green' mirrored: .* answers took more than 15 ms"),
        (World(rate=0), "'green' mirrored: nothing new for 20 s: 0 of 100 texts compared"),
        (World(rate=3), "'green' mirrored: .*as before"),
    ],
    ids=["labels", "errors", "errors later", "latency", "no requests", "few requests"],
)
def test_a_candidate_that_does_not_prove_as_good_is_put_back(world: World, words: str) -> None:
    if world.rate == 3:
        world.rate = 0
        world.compared = 50
    with pytest.raises(PromoteError, match=words):
        promote(world)
    assert (world.traffic, world.mirrored) == (BEFORE, {})


@settings(max_examples=60)
@given(
    at=st.integers(1, 60), mirror=st.sampled_from([{}, {"green": 10}, {"green": 50}]),
    error=st.sampled_from([KeyboardInterrupt, EndpointError("gone"), RuntimeError("a bug")]),
)  # fmt: skip
def test_whatever_ends_it_early_puts_back_exactly_what_was(
    at: int, mirror: dict[str, int], error: BaseException | type[BaseException]
) -> None:
    world, looks = World(mirrored=mirror), Counter[str]()

    def interrupt(stage: Stage, lacking: tuple[str, ...]) -> None:
        looks["all"] += 1
        if looks["all"] == at:
            raise error

    try:
        promote(world, say=interrupt)
    except (KeyboardInterrupt, PromoteError, RuntimeError):
        assert (world.traffic, world.mirrored) == (BEFORE, mirror)
    else:
        assert looks["all"] < at
        assert world.traffic == {"blue": 0, "green": 100}


def test_a_refused_step_puts_back_even_to_one_that_is_ill() -> None:
    world = World()

    def refuse(traffic: Shares, force: bool) -> None:
        if not force and traffic["green"] == 50:
            raise EndpointError("green is ill")

    world.refuse = refuse
    with pytest.raises(PromoteError, match="green is ill: traffic is blue=100"):
        promote(world)
    assert world.traffic == BEFORE


def test_what_cannot_be_put_back_is_said() -> None:
    world = World(fails=(1.0, 10))

    def refuse(traffic: Shares, force: bool) -> None:
        if force:
            raise EndpointError("the supervisor ended")

    world.refuse = refuse
    with pytest.raises(PromoteError, match=r"errors.*and traffic .* could not be put back: the supervisor ended"):
        promote(world)


def test_what_somebody_else_has_set_is_left() -> None:
    world = World()

    def interfere(stage: Stage, lacking: tuple[str, ...]) -> None:
        if stage.share == 25:
            world.become({"blue": 40, "green": 60}, {})

    with pytest.raises(TakenOver, match="somebody else has set"):
        promote(world, say=interfere)
    assert world.traffic == {"blue": 40, "green": 60}


def test_a_candidate_that_answers_already_must_have_been_compared() -> None:
    half = {"blue": 50, "green": 50}
    with pytest.raises(PromoteError, match="answers 50 % without having been compared"):
        promote(World(traffic=half))
    world = World(traffic=half, compared=100)
    promote(world)
    assert world.told == [({"blue": 0, "green": 100}, {})]


def test_live_ones_that_nobody_asks_are_not_waited_for_without_end() -> None:
    world = World(traffic={"blue": 1, "green": 99}, compared=100, rate=10)
    with pytest.raises(PromoteError, match="'green' at 99 %: nothing new for 20 s: 0 of 50 answers of the live timed"):
        promote(world)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"models": {"blue": "sentiment"}}, "no deployment 'green': there are blue"),
        ({"traffic": {"green": 100}}, "has all of the traffic already"),
        ({"traffic": {}}, "nobody is live whom 'green' could be compared with"),
        ({"models": {"blue": "a", "green": "b"}}, "'green' serves 'b' and 'blue' 'a'.*same name in both"),
    ],
)
def test_what_cannot_be_promoted_is_refused_before_anything_changes(change: Mapping[str, Any], words: str) -> None:
    world = World()
    look = world.look()
    changed = Look(**{"traffic": look.traffic, "mirror": look.mirror, "models": look.models} | dict(change))
    world.look = lambda: changed  # type: ignore[method-assign]  # an endpoint that stands otherwise
    with pytest.raises(PromoteError, match=words):
        Promotion(world, "green", PLAN, ignore)
    assert world.told == []


def test_steps_below_what_it_has_are_refused() -> None:
    with pytest.raises(PromoteError, match="has 50 % already: give a larger share by --steps"):
        promote(World(traffic={"blue": 50, "green": 50}, compared=100), Plan(steps=(10, 50)))


def test_the_report_tells_every_stage() -> None:
    promotion = promote(World(flips=0.04), replace(PLAN, bar=replace(PLAN.bar, disagreement=0.05)))
    page = promotion_markdown("green", PLAN, promotion.stages, "Promoted.")
    assert "| mirrored | " in page
    assert "| 100 % | " in page
    assert "texts, `positive` live and `negative` of the candidate" in page
    content = json.loads(promotion_json("green", PLAN, promotion.stages, "Promoted.", promoted=True))
    assert [stage["share"] for stage in content["stages"]] == [0, 10, 25, 50, 100]
    assert content["stages"][-1]["candidate"]["p99_ms"] == 10


def test_a_verdict_names_its_uncertainty() -> None:
    pair = {"live": "blue", "candidate": "green"} | Agreement(500, {("a", "b"): 1}, 0.001, 0.02).described()
    page = verdict_markdown({"pairs": [pair]})
    assert "| blue | green | 500 | 1 | 0.20% (0.04%–1.12%) | 0.0010 | 0.0200 |" in page
    assert "1 texts, `a` live and `b`" in page
    assert "Nothing was compared yet" in verdict_markdown({"pairs": []})
