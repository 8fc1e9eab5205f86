"""A candidate's way from mirrored requests to all of them, and back: an endpoint's controls in, an outcome out.

::

    mirror until enough texts are compared ──► 10 % ──► 25 % ──► 50 % ──► 100 %
        └──────────────┴─────────┴────────┴────────┴──► the former traffic and mirror, with the reason

Whatever ends it before its last step, an interrupt too, puts traffic and mirror back as they were, unless somebody else
has changed them meanwhile: then they stay as that somebody wants them. Every order names the revision of the endpoint
that it was decided on, and the endpoint refuses it if there is another: nothing comes between a look and what follows.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from tritext_serve.endpoint.verdict.decision import Answer, Bar, Evidence, judge, shift, steps_from
from tritext_serve.endpoint.verdict.look import Look, Shares, evidence_between
from tritext_serve.endpoint.verdict.served import Served
from tritext_serve.errors import EndpointError, PromoteError, ServeError

MIRROR_PER_CENT = 10
POLL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How a candidate is promoted.

    Attributes:
        steps: Its shares, in per cent.
        step_seconds: How long each share is looked at, at least.
        patience_seconds: How long nothing new may be learnt before it is given up.
        bar: What it must reach.
    """

    steps: tuple[int, ...] = (10, 25, 50, 100)
    step_seconds: float = 60.0
    patience_seconds: float = 300.0
    bar: Bar = field(default_factory=Bar)


@dataclass(frozen=True, slots=True)
class Stage:
    """What one share of the traffic showed.

    Attributes:
        share: Per cent; 0 while it was mirrored.
        evidence: What was seen.
    """

    share: int
    evidence: Evidence

    @property
    def name(self) -> str:
        """What it is called."""
        return f"at {self.share} %" if self.share else "mirrored"


class Controls(Protocol):
    """What a promotion does to an endpoint."""

    def look(self) -> Look:
        """Say how it stands."""

    def split(self, traffic: Shares, mirror: Shares, *, seen: int, force: bool = False) -> None:
        """Split traffic and mirror at once; with ``force`` to a deployment that is ill, too.

        Raises:
            EndpointError: it is refused, as is all that was decided on another revision than ``seen``.
        """


# Is told, at every look, what is known of a share and what still lacks.
Say = Callable[[Stage, tuple[str, ...]], None]


class TakenOver(PromoteError):
    """Somebody else has changed the traffic or the mirror meanwhile."""


class Promotion:
    """One candidate on its way."""

    def __init__(self, controls: Controls, candidate: str, plan: Plan, say: Say) -> None:
        """Look at the endpoint; nothing is changed yet.

        Args:
            controls: The endpoint's.
            candidate: The deployment to promote.
            plan: How.
            say: Is told how far it is.

        Raises:
            PromoteError: there is no such deployment, or nothing to compare it with.
        """
        self._controls, self._candidate, self._plan, self._say = controls, candidate, plan, say
        self._before = self._mine = self._latest = controls.look()
        # How it may be split besides: as orders say whose answer has not come, because of an interrupt.
        self._asked: list[Look] = []
        self._lives = [name for name, share in self._before.traffic.items() if share > 0 and name != candidate]
        self._latest_live = Served()
        self.stages: list[Stage] = []
        _check(self._before, candidate, self._lives)

    def run(self) -> None:
        """Promote, or put everything back.

        Raises:
            PromoteError: the evidence is against the candidate, or does not come.
                Or the endpoint refused a step, or does not answer.
        """
        try:
            steps = steps_from(self._share, self._plan.steps)
            if not steps:
                raise PromoteError(f"{self._candidate!r} has {self._share} % already: give a larger share by --steps")
            self._compare()
            for share in steps:
                self._take_step(share)
        except TakenOver:
            raise
        except ServeError as error:
            self._roll_back(error)
            split = " ".join(f"{name}={share}" for name, share in self._before.traffic.items())
            raise PromoteError(f"{error}: traffic is {split}, as before") from error
        except BaseException as error:
            self._roll_back(error)
            raise

    @property
    def _share(self) -> int:
        return self._mine.traffic.get(self._candidate, 0)

    def _compare(self) -> None:
        """Wait for the verdict on the labels; a candidate that answers already must have it."""
        if self._share:
            if self._before.agreement(self._lives, self._candidate).compared < self._plan.bar.compared:
                raise PromoteError(
                    f"{self._candidate!r} answers {self._share} % without having been compared: take its traffic "
                    "away first, and it is mirrored"
                )
            self._watch(self._share, 0.0)  # what the live ones do, while they still do it
            return
        if not self._mine.mirror.get(self._candidate):
            self._order(replace(self._mine, mirror={self._candidate: MIRROR_PER_CENT}))
        self._watch(0, 0.0)

    def _take_step(self, share: int) -> None:
        traffic = shift(self._before.traffic, self._candidate, share)
        self._order(replace(self._mine, traffic=traffic, mirror={}))  # nobody is live and mirrored at once
        self._watch(share, self._plan.step_seconds)

    def _order(self, wanted: Look, *, back: bool = False) -> None:
        """Have the endpoint split as wanted; again where others have changed it, but nothing that matters here.

        Raises:
            TakenOver: they have split it otherwise.
            PromoteError: they have replaced a deployment, and it does not go back.
            EndpointError: the endpoint refuses.
        """
        self._asked.append(wanted)  # first: an interrupt may come when the endpoint has done it already
        while True:
            seen = self._latest
            try:
                self._controls.split(
                    _of_those_there(wanted.traffic, seen), _of_those_there(wanted.mirror, seen),
                    seen=seen.revision, force=back,
                )  # fmt: skip
                break
            except EndpointError:
                if (self._look() if back else self._look_on()).revision == seen.revision:
                    raise
        self._mine, self._asked = wanted, []  # whatever was asked before is refused from now on

    def _watch(self, share: int, seconds: float) -> None:
        """Look until there is enough evidence and the time has gone by.

        Raises:
            PromoteError: the evidence is against the candidate, or does not come, or somebody else took over.
        """
        first = self._look_on()
        begun = latest_news = time.monotonic()
        lacked: tuple[str, ...] = ()
        while True:
            stage = Stage(share, self._evidence(first))
            judgement, now = judge(stage.evidence, self._plan.bar), time.monotonic()
            self._say(stage, judgement.reasons)
            if judgement.answer is Answer.GO and now - begun >= seconds:
                self.stages.append(stage)
                return
            latest_news, lacked = (latest_news if judgement.reasons == lacked else now), judgement.reasons
            idle = now - latest_news > self._plan.patience_seconds
            if judgement.answer is Answer.STOP or (judgement.answer is Answer.WAIT and idle):
                self.stages.append(stage)
                waited = f"nothing new for {self._plan.patience_seconds:g} s: " if idle else ""
                raise PromoteError(f"{self._candidate!r} {stage.name}: {waited}{'; '.join(judgement.reasons)}")
            time.sleep(POLL_SECONDS)

    def _look(self) -> Look:
        look = self._latest = self._controls.look()
        if not any(look.splits_like(mine) for mine in (self._mine, *self._asked)):
            now = dict(look.mirror if look.traffic == self._mine.traffic else look.traffic)
            raise TakenOver(f"somebody else has set traffic or mirror to {now}: they are left so")
        return look

    def _look_on(self) -> Look:
        """Look whether those that were to be compared are still the same."""
        look = self._look()
        if replaced := look.replaced(self._before, (*self._lives, self._candidate)):
            raise PromoteError(
                f"{', '.join(replaced)}: replaced or removed by `tritext endpoint apply` meanwhile, so that what was "
                "seen says nothing of what is there now: promote again"
            )
        return look

    def _evidence(self, first: Look) -> Evidence:
        """Say what has been seen at this share; where the live ones answer no more, how they fared before.

        Not their labels: what people ask about changes with the hour.
        """
        seen = evidence_between(first, self._look_on(), self._lives, self._candidate)
        if min(seen.live.requests, seen.live.timed) >= self._plan.bar.requests:
            self._latest_live = seen.live
        return replace(seen, live=self._latest_live)

    def _roll_back(self, error: BaseException) -> None:
        """Put back how it was, though nothing may seem changed: that forestalls an order that is still on its way."""
        if self._mine is self._before and not self._asked:
            return
        why = str(error) or "interrupted"
        try:
            self._order(self._before, back=True)
        except TakenOver as second:
            raise TakenOver(f"{why}; {second}") from error
        except ServeError as second:
            raise PromoteError(
                f"{why}; and traffic {dict(self._before.traffic)} could not be put back: {second}"
            ) from error


def _of_those_there(shares: Shares, look: Look) -> Shares:
    """Leave out who has no share and is no longer there, and would be refused."""
    return {name: share for name, share in shares.items() if share or name in look.models}


def _check(look: Look, candidate: str, lives: list[str]) -> None:
    if candidate not in look.models:
        raise PromoteError(f"no deployment {candidate!r}: there are {', '.join(look.models)}")
    if look.traffic.get(candidate) == 100:
        raise PromoteError(f"{candidate!r} has all of the traffic already")
    if not lives:
        raise PromoteError(f"nobody is live whom {candidate!r} could be compared with: give another one traffic first")
    other = next((live for live in lives if look.models[live] != look.models[candidate]), None)
    if other is not None:
        raise PromoteError(
            f"{candidate!r} serves {look.models[candidate]!r} and {other!r} {look.models[other]!r}: a mirrored request "
            "names the live model, so give the front the same name in both repositories"
        )
