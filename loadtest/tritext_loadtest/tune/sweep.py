"""The search from end to end: what to tune and how thoroughly in, every turn and a verdict out.

All settings that are still in have a turn in each round, in a shuffled order, so that what else the machine does falls
on all of them alike. Ctrl-C ends the search; what was measured until then stays.
"""

import random
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tritext import TritextError
from tritext_loadtest.peers.errors import PeerError
from tritext_loadtest.scenarios import Phase
from tritext_loadtest.schedule import MOST_MOMENTS, moments
from tritext_loadtest.texts import Item
from tritext_loadtest.tune.errors import TuneError
from tritext_loadtest.tune.halving import Rung, Tried, Verdict, conclude, order
from tritext_loadtest.tune.offer import Request
from tritext_loadtest.tune.servers import Fleet, Served, Subject
from tritext_loadtest.tune.settings import Setting

# The share of what the control takes at most, where no rate was given: busy, and not yet full.
SHARE = 0.7
# A turn in which one request in a hundred was sent later than that is taken once more.
MOST_LATE_MILLISECONDS = 20.0
Tell = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Search:
    """What to search, and how.

    Attributes:
        subject: What is served.
        items: The texts, at least one.
        settings: The control first.
        rungs: Who takes part for how long.
        limits: Objectives.
        rate: Texts a second; None for a share of what the control takes at most.
        seconds: Of each turn.
        seed: Of the order and of the moments.
    """

    subject: Subject
    items: Sequence[Item]
    settings: Sequence[Setting]
    rungs: Sequence[Rung]
    limits: Mapping[str, float]
    rate: float | None
    seconds: float
    seed: int = 1


@dataclass(slots=True)
class Findings:
    """What came of it.

    Attributes:
        control: What serves by default.
        others: Everybody else, in the order in which they were chosen.
        rate: Texts a second that were sent.
        interrupted: Whether the search was ended before its time.
        verdict: Who won; None where not even the control had a turn.
    """

    control: Tried
    others: list[Tried]
    rate: float = 0.0
    interrupted: bool = False
    verdict: Verdict | None = None

    @property
    def everybody(self) -> list[Tried]:
        """The control and the others."""
        return [self.control, *self.others]


def search(request: Search, tell: Tell = lambda _what, _share: None) -> Findings:
    """Search.

    Args:
        request: What and how.
        tell: Is told what goes on, and which share of the turns is done.

    Raises:
        TuneError: the control itself cannot be served.
    """
    control, *others = map(Tried, request.settings)
    findings = Findings(control, others)
    with tempfile.TemporaryDirectory(prefix="tritext-tune-") as folder, Fleet(request.subject, Path(folder)) as fleet:
        run = Run(request, findings, fleet, tell)
        try:
            run.start()
            for place, rung in enumerate(request.rungs):
                run.climb(place, rung)
        except KeyboardInterrupt:
            findings.interrupted = True
        tell("stopping the servers", 1.0)
    if control.turns:
        findings.verdict = conclude(control, others, request.limits)
    return findings


@dataclass(slots=True)
class Run:
    """What the stages of a search share."""

    request: Search
    findings: Findings
    fleet: Fleet
    tell: Tell
    requests: list[Request] = field(default_factory=list)
    due: list[float] = field(default_factory=list)
    round: int = 0
    done: int = 0

    def start(self) -> None:
        """Start the control, ask it about every text, and settle the rate; then start the others."""
        request, control = self.request, self.findings.control
        self.tell(f"starting {control.setting}", 0.0)
        try:
            served = self.fleet.start(control.setting, request.items[0])
            self.tell("asking about every text at rest", 0.0)
            self.requests = batches(request.items, served.labels(request.items), request.subject.batch)
            self.findings.rate = request.rate or self._busy(served)
        except (PeerError, TritextError) as error:
            raise TuneError(f"{control.setting}, the usual setting: {error}") from error
        self.due = self._draw(self.findings.rate / request.subject.batch)
        for one in self.findings.others:
            self.tell(f"starting {one.setting}", 0.0)
            self._attempt(one, partial(self.fleet.start, one.setting, request.items[0]))

    def _busy(self, served: Served) -> float:
        """Find out how many texts a second keep the control busy, and not yet full."""
        self.tell("finding out what it takes at most", 0.0)
        return SHARE * self.request.subject.batch * served.saturation(self.requests)

    def _draw(self, rate: float) -> list[float]:
        """Draw when requests are sent, the same for all: at least one, and no more than memory has room for."""
        seconds, asked = self.request.seconds, f"{self.findings.rate:g} texts a second"
        if rate * seconds > MOST_MOMENTS:
            raise TuneError(
                f"{asked} for {seconds:g} s are more than {MOST_MOMENTS:,} requests: "
                "give a lower --rate or fewer --seconds"
            )
        due = list(moments([Phase(seconds, rate, rate)], self.request.seed))
        if not due:
            raise TuneError(f"no request falls due in {seconds:g} s at {asked}")
        return due

    def climb(self, place: int, rung: Rung) -> None:
        """Let the best go on, stop the others, and give those who are left their turns."""
        others, limits = self.findings.others, self.request.limits
        able = [one for one in others if not one.failure]
        chosen = (order([one for one in able if len(one.turns) == self.round], limits) if place else able)[
            : rung.settings
        ]
        for one in able:
            if one not in chosen:
                self.fleet.stop(one.setting)
        for _ in range(rung.rounds):
            self.round += 1
            chance = random.Random(self.request.seed + self.round)  # noqa: S311  # nothing secret
            playing = [self.findings.control, *chosen]
            for one in chance.sample(playing, len(playing)):
                self.tell(f"rung {place + 1} of {len(self.request.rungs)}: {one.setting}", self._share())
                self._attempt(one, partial(self._take, one))

    def _take(self, one: Tried) -> None:
        served = self.fleet[one.setting]
        turn = served.turn(self.requests, self.due, self.round)
        if turn.lateness_milliseconds > MOST_LATE_MILLISECONDS:  # it says more of this side than of the server
            again = served.turn(self.requests, self.due, self.round)
            turn = min(turn, again, key=lambda each: each.lateness_milliseconds)
        one.turns.append(turn)
        self.done += 1

    def _attempt(self, one: Tried, action: Callable[[], object]) -> None:
        """Do something for one setting; where it fails it takes no more turns, but the control must not."""
        if one.failure:
            return
        try:
            action()
        except PeerError as error:
            if one is self.findings.control:
                raise TuneError(f"{one.setting}, the usual setting: {error}") from error
            one.failure = str(error)
            self.fleet.stop(one.setting)

    def _share(self) -> float:
        """Say which share of all turns is done."""
        return self.done / max(1, sum((rung.settings + 1) * rung.rounds for rung in self.request.rungs))


def batches(items: Sequence[Item], labels: Sequence[str], size: int) -> list[Request]:
    """Cut items into requests; the last may be smaller."""
    starts = range(0, len(items), size)
    return [Request(tuple(items[i : i + size]), tuple(labels[i : i + size])) for i in starts]
