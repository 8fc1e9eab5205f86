"""What becomes of one Triton, whatever happens to it in whatever order."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tritext_serve.endpoint.supervisor.state import (
    FORGIVEN_AFTER,
    LONGEST_BACK_OFF,
    PATIENCE,
    Action,
    Answered,
    Event,
    Failed,
    Gone,
    Late,
    Phase,
    Progress,
    Reason,
    State,
    Stop,
    Tick,
    back_off,
    step,
)

FAILURE = Failed(Reason.STUB_DIED, "the stub has died")
EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.just(Tick()),
    st.just(Answered()),
    st.just(Gone()),
    st.just(Stop()),
    st.just(FAILURE),
    st.sampled_from(Progress).map(Late),
)
STEPS = st.lists(st.tuples(EVENTS, st.floats(0, 90)), max_size=60)


NEW = State()


def run(*events: Event, state: State = NEW, now: float = 0.0) -> tuple[State, list[Action]]:
    """Take events that come at one moment."""
    actions = []
    for event in events:
        state, action = step(state, event, now)
        actions.append(action)
    return state, actions


def serving(now: float = 0.0) -> State:
    """A Triton that has just begun to serve."""
    return run(Tick(), Answered(), now=now)[0]


def test_it_is_started_at_once_and_serves_when_it_has_answered() -> None:
    state, actions = run(Tick(), Answered())
    assert (state.phase, state.well, state.restarts) == (Phase.SERVING, True, 0)
    assert actions == [Action.START, Action.NONE]


@pytest.mark.parametrize("phase", [Phase.STARTING, Phase.SERVING])
def test_a_failure_takes_it_out_at_once_and_it_is_killed(phase: Phase) -> None:
    state, action = step(replace(State(), phase=phase), FAILURE, 1.0)
    assert (state.phase, state.well, action) == (Phase.ILL, False, Action.KILL)
    assert (state.reason, state.detail) == (Reason.STUB_DIED, "the stub has died")


def test_the_first_restart_does_not_wait() -> None:
    state, actions = run(FAILURE, Gone(), Tick(), state=serving(), now=3.0)
    assert (state.phase, state.restarts) == (Phase.STARTING, 1)
    assert actions == [Action.KILL, Action.NONE, Action.START]


def test_the_next_restarts_wait_twice_as_long_each_time() -> None:
    state, waits = serving(), []
    for _ in range(9):
        state, _ = run(FAILURE, Gone(), state=state, now=1.0)
        waits.append(state.due - 1.0)
        state, _ = run(Tick(), Answered(), state=state, now=state.due)
    assert waits == [0, 1, 2, 4, 8, 16, 30, 30, 30]


def test_a_minute_of_service_forgives() -> None:
    state, _ = run(FAILURE, Gone(), FAILURE, state=serving())
    state, _ = run(Tick(), Answered(), state=state, now=state.due)
    begun = state.since
    assert run(FAILURE, Gone(), state=state, now=begun + FORGIVEN_AFTER - 1)[0].failures == 2
    assert run(FAILURE, Gone(), state=state, now=begun + FORGIVEN_AFTER)[0].failures == 1


def test_a_late_canary_of_a_model_that_finishes_requests_means_nothing() -> None:
    state = serving()
    for second in range(1000):
        state, action = step(state, Late(Progress.FINISHING), float(second))
        assert (state.well, action) == (True, Action.NONE)


def test_a_model_that_computes_gets_time_and_then_no_more() -> None:
    state, action = step(serving(), Late(Progress.COMPUTING), 1.0)
    assert state.well
    state, action = step(state, Late(Progress.COMPUTING), PATIENCE)
    assert (state.well, action) == (True, Action.NONE)
    state, action = step(state, Late(Progress.COMPUTING), 1.0 + PATIENCE)
    assert (state.reason, action) == (Reason.HUNG, Action.KILL)


def test_a_model_that_does_nothing_is_taken_out_first_and_killed_then() -> None:
    suspect, action = step(serving(), Late(Progress.NONE), 1.0)
    assert (suspect.phase, suspect.well, action) == (Phase.SERVING, False, Action.NONE)
    assert step(suspect, Answered(), 2.0)[0].well
    killed, action = step(suspect, Late(Progress.NONE), 4.0)
    assert (killed.reason, action) == (Reason.HUNG, Action.KILL)


def test_one_that_is_not_wanted_stays_stopped() -> None:
    state, actions = run(Stop(), Tick(), Answered(), FAILURE, Gone(), state=serving())
    assert state.phase is Phase.STOPPED
    assert actions == [Action.END, *[Action.NONE] * 4]


def test_one_that_never_ran_needs_no_ending() -> None:
    assert step(State(), Stop(), 0.0)[1] is Action.NONE


@given(STEPS)
def test_it_is_well_only_while_it_serves_and_no_action_is_lost(steps: list[tuple[Event, float]]) -> None:
    """It is started only when nothing of it runs, and ended exactly once for each start."""
    state, now, running, restarts = State(), 0.0, False, 0
    for event, seconds in steps:
        now += seconds
        state, action = step(state, event, now)
        if action is Action.START:
            assert not running
            running = True
        elif action is Action.KILL or (action is Action.END and state.phase is Phase.STOPPED):
            running = False
        assert not (state.well and not running)
        assert (state.phase in (Phase.STARTING, Phase.SERVING)) == running
        assert state.restarts >= restarts
        restarts = state.restarts


@given(STEPS)
def test_it_never_waits_longer_than_the_longest(steps: list[tuple[Event, float]]) -> None:
    state, now = State(), 0.0
    for event, seconds in steps:
        now += seconds
        state, _ = step(state, event, now)
        if state.phase is Phase.WAITING:
            assert 0.0 <= state.due - state.since <= LONGEST_BACK_OFF


@given(STEPS)
def test_left_alone_it_always_comes_back(steps: list[tuple[Event, float]]) -> None:
    """Whatever has happened: unless it was stopped, a start that succeeds makes it serve."""
    state, now = State(), 0.0
    for event, seconds in steps:
        now += seconds
        state, _ = step(state, event, now)
    if state.phase is Phase.STOPPED:
        return
    for event in (Gone(), Tick(), Answered()):
        now += LONGEST_BACK_OFF
        state, _ = step(state, event, now)
    assert state.well


@given(st.integers(0, 10_000))
def test_the_back_off_grows_and_is_bounded(failures: int) -> None:
    assert 0.0 <= back_off(failures) <= back_off(failures + 1) <= LONGEST_BACK_OFF
