"""Where a long piece of work stands: its stages and their steps in, how far it is and the time that is left out.

Steps of one stage take about as long as each other. So a stage that has begun is judged by its own steps, and one that
is yet to come by a guess.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(slots=True)
class Stage:
    """Steps of one kind.

    Attributes:
        name: What they are.
        steps: How many there are to be.
        guess: Seconds of one, until one has been seen.
    """

    name: str
    steps: int
    guess: float


@dataclass(frozen=True, slots=True)
class Standing:
    """How far it is.

    Attributes:
        stage: Number of the stage, from 1.
        stages: How many there are.
        step: Number of the step in its stage, from 1.
        steps: How many the stage has.
        gone: Seconds since the beginning.
        left: Seconds until the end, by what is known.
    """

    stage: int
    stages: int
    step: int
    steps: int
    gone: float
    left: float

    @property
    def share(self) -> float:
        """The share of the time that has gone."""
        return self.gone / (self.gone + self.left) if self.left > 0 else 1.0

    def __str__(self) -> str:
        """Count in words."""
        stages = f"stage {self.stage} of {self.stages}, " if self.stages > 1 else ""
        return f"{stages}step {self.step} of {self.steps}"


Show = Callable[[str, Standing], None]


class Course:
    """Counts steps; the stages follow each other as their steps are used up."""

    def __init__(self, stages: Sequence[Stage], show: Show, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin.

        Args:
            stages: At least one; the first one begins.
            show: Hears of each step, and where it stands.
            clock: Tells seconds.
        """
        self._stages = [stage for stage in stages if stage.steps]
        self._show, self._clock = show, clock
        self._began = self._entered = clock()
        self._stage = self._step = 0

    def expect(self, name: str, steps: int) -> None:
        """Say how many steps a stage has that is yet to come, now that it is known better."""
        for stage in self._stages[self._stage :]:
            if stage.name == name:
                stage.steps = steps

    def step(self, what: str) -> None:
        """Begin a step, which ends the one before; where the stage has no more, the next stage begins."""
        now = self._clock()
        while self._step >= self._stages[self._stage].steps and self._stage + 1 < len(self._stages):
            self._stage, self._step, self._entered = self._stage + 1, 0, now
        self._step += 1
        stage = self._stages[self._stage]
        stage.steps = max(stage.steps, self._step)  # more than was thought
        self._show(
            what,
            Standing(self._stage + 1, len(self._stages), self._step, stage.steps, now - self._began, self._left(now)),
        )

    def _left(self, now: float) -> float:
        stage, done = self._stages[self._stage], self._step - 1
        each = (now - self._entered) / done if done else stage.guess
        return (stage.steps - done) * each + sum(later.steps * later.guess for later in self._stages[self._stage + 1 :])


def in_words(seconds: float) -> str:
    """Say a time as somebody would who does not know it exactly.

    Example:
        >>> in_words(312.0)
        'about 5 min'
    """
    if seconds < 55:
        return f"about {max(1, round(seconds / 5)) * 5} s"
    minutes = max(1, round(seconds / 60))
    return f"about {minutes} min" if minutes < 90 else f"about {minutes / 60:.1f} h"
