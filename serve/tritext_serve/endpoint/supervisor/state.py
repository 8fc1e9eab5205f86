"""What becomes of one Triton: its state and an event in, its next state and what to do out. Pure.

::

    waiting ──due──► starting ──answered──► serving ──failed, hung──► ill ──gone──► waiting
       ▲                └──────failed─────────────────────────────────►┘
       └── the back-off: 0 s, 1 s, 2 s, 4 s … 30 s; from 0 s again after a minute of service
"""

from dataclasses import dataclass, replace
from enum import StrEnum

LONGEST_BACK_OFF = 30.0
# After so many seconds of service a failure counts as the first one again.
FORGIVEN_AFTER = 60.0
# Seconds that a model may compute without one request finished: 64 texts of 512 tokens take some five on a busy core.
PATIENCE = 30.0


class Phase(StrEnum):
    """Where a Triton stands."""

    WAITING = "waiting"
    STARTING = "starting"
    SERVING = "serving"
    ILL = "ill"
    STOPPED = "stopped"


class Reason(StrEnum):
    """Why a Triton is not, or was not, serving; a label of metrics."""

    NONE = ""
    NEW = "new"
    DIED = "died"
    STUB_DIED = "stub_died"
    OOM = "oom"
    ERROR = "error"
    WRONG_ANSWER = "wrong_answer"
    HUNG = "hung"
    START = "start"
    ENDED = "ended"


class Progress(StrEnum):
    """What a model does that leaves its canary unanswered."""

    FINISHING = "finishing"
    COMPUTING = "computing"
    NONE = "none"


class Action(StrEnum):
    """What the caller has to do."""

    NONE = "none"
    START = "start"
    KILL = "kill"
    END = "end"


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


@dataclass(frozen=True, slots=True)
class Answered:
    """Every front has answered its canary as it did at export."""


@dataclass(frozen=True, slots=True)
class Late:
    """A canary was not answered in time, or there was no room for it.

    Attributes:
        progress: What the model did meanwhile.
    """

    progress: Progress


@dataclass(frozen=True, slots=True)
class Failed:
    """It does not serve any more, and will not by itself.

    Attributes:
        reason: The kind of failure.
        detail: In words.
    """

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Gone:
    """Its processes have ended, and what they left is removed."""


@dataclass(frozen=True, slots=True)
class Stop:
    """It is not wanted any more."""


Event = Tick | Answered | Late | Failed | Gone | Stop


@dataclass(frozen=True, slots=True)
class State:
    """One Triton.

    Attributes:
        phase: Where it stands.
        since: When it came there, seconds of a monotonic clock, as all times here.
        due: When it is to be started.
        failures: Failures since it last served for a minute.
        restarts: Failures since the beginning.
        reason: Why it last failed.
        detail: In words.
        late_since: When its canary was last answered or a request finished, if it is late since; None where it is not.
        suspect: Whether it gets no requests although it is not given up.
    """

    phase: Phase = Phase.WAITING
    since: float = 0.0
    due: float = 0.0
    failures: int = 0
    restarts: int = 0
    reason: Reason = Reason.NEW
    detail: str = "has not been started yet"
    late_since: float | None = None
    suspect: bool = False

    @property
    def well(self) -> bool:
        """Whether it is to get requests."""
        return self.phase is Phase.SERVING and not self.suspect


def back_off(failures: int) -> float:
    """Choose the seconds until the next start.

    Args:
        failures: Failures before the one that has just been.
    """
    return 0.0 if failures == 0 else min(LONGEST_BACK_OFF, 2.0 ** min(failures - 1, 10))


def step(state: State, event: Event, now: float) -> tuple[State, Action]:
    """Take one event.

    An event that means nothing in the state's phase changes nothing: an answer may come after its Triton was given up.

    Args:
        state: Before it.
        event: What happened.
        now: When.
    """
    if state.phase is Phase.STOPPED:
        return state, Action.NONE
    if isinstance(event, Stop):
        stopped = replace(state, phase=Phase.STOPPED, since=now, reason=Reason.ENDED, detail="was told to stop")
        return stopped, Action.NONE if state.phase is Phase.WAITING else Action.END
    if state.phase is Phase.WAITING:
        due = isinstance(event, Tick) and now >= state.due
        return (replace(state, phase=Phase.STARTING, since=now), Action.START) if due else (state, Action.NONE)
    if state.phase is Phase.ILL:
        return (_to_wait(state, now), Action.NONE) if isinstance(event, Gone) else (state, Action.NONE)
    if isinstance(event, Failed):
        return _give_up(state, event, now)
    return _starting(state, event, now) if state.phase is Phase.STARTING else _serving(state, event, now)


def _to_wait(state: State, now: float) -> State:
    due = now + back_off(state.failures)
    return replace(
        state, phase=Phase.WAITING, since=now, due=due, failures=state.failures + 1, restarts=state.restarts + 1
    )


def _give_up(state: State, failure: Failed, now: float) -> tuple[State, Action]:
    forgiven = state.phase is Phase.SERVING and now - state.since >= FORGIVEN_AFTER
    ill = replace(
        state,
        phase=Phase.ILL,
        since=now,
        failures=0 if forgiven else state.failures,
        reason=failure.reason,
        detail=failure.detail,
        late_since=None,
        suspect=False,
    )
    return ill, Action.KILL


def _starting(state: State, event: Event, now: float) -> tuple[State, Action]:
    if isinstance(event, Answered):
        return replace(state, phase=Phase.SERVING, since=now, late_since=None, suspect=False), Action.NONE
    return state, Action.NONE


def _serving(state: State, event: Event, now: float) -> tuple[State, Action]:
    if isinstance(event, Answered) or (isinstance(event, Late) and event.progress is Progress.FINISHING):
        return replace(state, late_since=None, suspect=False), Action.NONE
    if not isinstance(event, Late):
        return state, Action.NONE
    late_since = now if state.late_since is None else state.late_since
    idle = event.progress is Progress.NONE
    if idle and state.suspect:
        return _give_up(state, Failed(Reason.HUNG, "answered no canary and did nothing, twice"), now)
    if now - late_since >= PATIENCE:
        return _give_up(state, Failed(Reason.HUNG, f"computed {PATIENCE:g} s and finished no request"), now)
    return replace(state, late_since=late_since, suspect=idle), Action.NONE
