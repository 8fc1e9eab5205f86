"""The lines that are seen while a load runs, or a comparison: a bar on a terminal only, so that logs stay clean."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from tritext_loadtest.course import Standing, in_words
from tritext_loadtest.ledger import Ledger
from tritext_loadtest.records import Outcome
from tritext_loadtest.statistics import percentile

# Latest requests of which the latency is shown.
LATEST = 200


class _Bar:
    """A line that is there within a block; whoever derives from it makes ``_progress``."""

    _progress: Progress

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()


class Live(_Bar):
    """A bar with the figures of the moment."""

    def __init__(self, console: Console, name: str, seconds: float) -> None:
        columns = TextColumn(name), BarColumn(24), TimeRemainingColumn(compact=True), TextColumn("{task.fields[said]}")
        self._progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._progress.add_task(name, total=seconds, said="starting")
        self._console = console
        self._began = 0.0

    def say(self, words: str) -> None:
        """Say what is going on."""
        if self._console.is_terminal:
            self._progress.update(self._task, said=words)
        else:
            self._console.print(f"· {words} …")

    def show(self, ledger: Ledger) -> None:
        """Show how far it is."""
        if not ledger.records:
            return
        self._began = self._began or time.monotonic()
        self._progress.update(self._task, completed=time.monotonic() - self._began, said=describe(ledger))


def describe(ledger: Ledger) -> str:
    """Say the latest figures: of the last two hundred requests, in the order in which they ended."""
    latest = ledger.records[-LATEST:]
    answered = [r.latency for r in latest if r.outcome is Outcome.ANSWERED]
    p99 = f"p99 {1e3 * percentile(answered, 0.99):.0f} ms" if answered else "no answer"
    return f"{ledger.answered_texts:,} texts, {p99}, {ledger.refused:,} not answered, {ledger.wrong:,} wrong labels"


class _Left(ProgressColumn):
    """The time that is left, running down between one step and the next."""

    def render(self, task: Task) -> Text:
        left = max(0.0, task.fields["until"] - time.monotonic())
        return Text(f"{left // 60:.0f}:{left % 60:02.0f}" if task.fields["until"] else "-:--", "progress.remaining")


class Steps(_Bar):
    """Shows a course: on a terminal a bar, which step it is and the time left; elsewhere perhaps a line a step."""

    def __init__(self, console: Console, *, lines: bool = True) -> None:
        """Begin.

        Args:
            console: Where.
            lines: Whether there are lines where it is no terminal.
        """
        words = TextColumn("{task.description}", markup=False)
        columns = TextColumn("{task.fields[standing]}", markup=False), BarColumn(24), _Left(), words
        self._progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._progress.add_task("", total=1.0, standing="", until=0.0)
        self._console, self._lines = console, lines and not console.is_terminal

    def show(self, what: str, standing: Standing) -> None:
        """Say which step begins."""
        if self._lines:
            line = f"{standing}, {in_words(standing.left)} left: {what}"
            self._console.print(line, markup=False, soft_wrap=True)
        until = time.monotonic() + standing.left
        self._progress.update(
            self._task, completed=standing.share, description=what, standing=str(standing), until=until
        )
