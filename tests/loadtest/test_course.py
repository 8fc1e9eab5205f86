"""Where a long piece of work stands: its stages, the time that is left, and how both are shown."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tritext_loadtest.commands.progress import Steps
from tritext_loadtest.course import Course, Stage, Standing, in_words


class Clock:
    """Goes on when it is told to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


class Followed:
    """A course and what it showed."""

    def __init__(self, *stages: Stage) -> None:
        self.clock, self.shown = Clock(), [Standing(0, 0, 0, 0, 0.0, 0.0)]
        self.course = Course(stages, lambda _, standing: self.shown.append(standing), self.clock)

    def step(self, seconds: float) -> Standing:
        """Begin a step that takes so long; give where it began."""
        self.course.step("a step")
        self.clock.now += seconds
        return self.shown[-1]


def test_steps_that_were_seen_count_and_guesses_for_the_others() -> None:
    followed = Followed(Stage("starting", 2, 5.0), Stage("left out", 0, 99.0), Stage("rounds", 3, 10.0))
    assert followed.step(20.0) == Standing(1, 2, 1, 2, 0.0, 2 * 5.0 + 3 * 10.0)
    assert followed.step(40.0) == Standing(1, 2, 2, 2, 20.0, 20.0 + 3 * 10.0)
    assert followed.step(2.0) == Standing(2, 2, 1, 3, 60.0, 3 * 10.0)
    assert followed.step(4.0) == Standing(2, 2, 2, 3, 62.0, 2 * 2.0)
    last = followed.step(0.0)
    assert last == Standing(2, 2, 3, 3, 66.0, 3.0)
    assert last.share == pytest.approx(66 / 69)
    assert str(last) == "stage 2 of 2, step 3 of 3"


def test_who_fails_makes_a_stage_shorter_and_more_than_was_thought_makes_it_longer() -> None:
    followed = Followed(Stage("tuning", 4, 1.0), Stage("starting", 4, 1.0), Stage("rounds", 1, 1.0))
    followed.step(1.0)
    followed.course.expect("tuning", 1)
    followed.course.expect("starting", 0)
    assert followed.step(1.0) == Standing(3, 3, 1, 1, 1.0, 1.0)
    assert followed.step(1.0) == Standing(3, 3, 2, 2, 2.0, 1.0)


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(0, 50)), min_size=1, max_size=4))
def test_a_course_that_keeps_to_its_guesses_knows_the_end_from_the_beginning(stages: list[tuple[int, float]]) -> None:
    stages = [(steps, guess) for steps, guess in stages if steps] or [(1, 1.0)]
    followed = Followed(*(Stage(str(number), *stage) for number, stage in enumerate(stages)))
    whole = sum(steps * guess for steps, guess in stages)
    shown = [followed.step(guess) for steps, guess in stages for _ in range(steps)]
    assert [one.gone + one.left for one in shown] == pytest.approx([whole] * len(shown), abs=1e-6)
    assert (shown[-1].stage, shown[-1].step) == (len(stages), stages[-1][0])


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0, "5 s"), (42.0, "40 s"), (55.0, "1 min"), (312.0, "5 min"), (5400.0, "1.5 h"), (9000.0, "2.5 h")],
)
def test_a_time_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == f"about {words}"


def show(console: Console, *, lines: bool = True) -> None:
    with Steps(console, lines=lines) as steps:
        steps.show("round 1 of 6: [peer]", Standing(4, 5, 7, 96, 20.0, 312.0))


def test_a_log_has_a_line_for_each_step_or_none() -> None:
    log = io.StringIO()
    show(Console(file=log, width=40))
    assert log.getvalue() == "stage 4 of 5, step 7 of 96, about 5 min left: round 1 of 6: [peer]\n"
    show(Console(file=log, width=40), lines=False)
    assert log.getvalue().count("\n") == 1


def test_a_terminal_has_a_bar_with_the_time_left() -> None:
    screen = io.StringIO()
    show(Console(file=screen, width=120, force_terminal=True, color_system=None))
    assert "stage 4 of 5, step 7 of 96" in screen.getvalue()
    assert " 5:1" in screen.getvalue()
    assert "round 1 of 6: [peer]" in screen.getvalue()
