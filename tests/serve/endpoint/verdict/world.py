"""An endpoint that is simulated second by second, and promotions in it."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from tritext_serve.endpoint.supervisor.changes import check_seen
from tritext_serve.endpoint.verdict.decision import Bar
from tritext_serve.endpoint.verdict.join import Agreement
from tritext_serve.endpoint.verdict.look import Look, Shares
from tritext_serve.endpoint.verdict.promotion import Plan, Promotion, Say, Stage
from tritext_serve.endpoint.verdict.served import Served
from tritext_serve.errors import EndpointError

PLAN = Plan(step_seconds=5, patience_seconds=20, bar=Bar(compared=100, requests=50))
BEFORE = {"blue": 100, "green": 0}


@dataclass
class World:
    """An endpoint to which so many requests a second come, and a clock.

    Attributes:
        rate: Requests a second.
        flips: Part of the texts that green gives another label.
        fails: Part of green's answers that are errors, and from which share of the traffic on.
        milliseconds: Green's latency; blue's is 10.
        told: All that it was told to do: how to split traffic and mirror.
        refuse: Refuses an order by raising; is told its traffic, and whether it is forced.
        meanwhile: Is called when an order is on its way: what others do before it arrives.
    """

    rate: int = 200
    flips: float = 0.0
    fails: tuple[float, int] = (0.0, 0)
    milliseconds: float = 10.0
    traffic: Shares = field(default_factory=lambda: dict(BEFORE))
    mirrored: Shares = field(default_factory=dict)
    now: float = 0.0
    told: list[tuple[Shares, Shares]] = field(default_factory=list)
    refuse: Callable[[Shares, bool], None] = lambda traffic, force: None
    meanwhile: Callable[[], None] = lambda: None
    revision: int = 0
    crews: dict[str, int] = field(default_factory=lambda: {"blue": 0, "green": 0})
    requests: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    compared: float = 0.0

    def sleep(self, seconds: float) -> None:
        """Let requests come; a promotion without an end is none."""
        self.now += seconds
        assert self.now < 3600
        coming = self.rate * seconds
        self.compared += coming * self.mirrored.get("green", 0) / 100
        for name in ("blue", "green"):
            share = self.traffic.get(name, 0) + self.mirrored.get(name, 0)
            part, least = self.fails if name == "green" else (0.0, 0)
            answered = round(coming * share / 100)
            self.requests[name] += answered
            self.errors[name] += round(answered * part) if self.traffic.get(name, 0) >= least else 0

    def look(self) -> Look:
        """Say how it stands."""
        flips = round(self.compared * self.flips)
        pairs = {("positive", "negative"): flips} if flips else {}
        half = {name: {"positive": n // 2, "negative": n - n // 2} for name, n in self.requests.items()}
        agreement = Agreement(int(self.compared), pairs, 0.0, 0.0, half.get("blue", {}), half.get("green", {}))
        served = {
            name: Served(n, self.errors[name], {self.milliseconds if name == "green" else 10.0: n})
            for name, n in self.requests.items()
        }
        models = dict.fromkeys(self.crews, "sentiment")
        agreements = {("blue", "green"): agreement}
        return Look(self.traffic, self.mirrored, models, agreements, served, self.revision, dict(self.crews))

    def split(self, traffic: Shares, mirror: Shares, *, seen: int, force: bool = False) -> None:
        """Split traffic and mirror, as a supervisor does."""
        self.meanwhile()
        self.told.append((traffic, mirror))
        check_seen(self.revision, seen)
        if unknown := {*traffic, *mirror} - {*self.crews}:
            raise EndpointError(f"{unknown}: no such deployment")
        self.refuse(traffic, force)
        self.become(traffic, mirror)

    def become(self, traffic: Shares, mirror: Shares) -> None:
        """Be split otherwise, by whomever."""
        self.traffic, self.mirrored = dict(traffic), dict(mirror)
        self.revision += 1

    def replace(self, name: str) -> None:
        """Have other Tritons, whose answers nobody has compared."""
        self.crews[name] += 1
        self.compared = 0
        self.revision += 1


def ignore(stage: Stage, lacking: tuple[str, ...]) -> None:
    """Watch nothing."""


def promote(world: World, plan: Plan = PLAN, say: Say = ignore) -> Promotion:
    """Run a promotion to its end."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "monotonic", lambda: world.now)
        patch.setattr(time, "sleep", world.sleep)
        promotion = Promotion(world, "green", plan, say)
        promotion.run()
        return promotion
