"""What a job shows while it runs: on a terminal a bar with rate and time left, elsewhere only what it waits for."""

from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text


class _Rows(ProgressColumn):
    """Rows of this run and of those before; nothing while there are none."""

    def render(self, task: Task) -> Text:
        rows = task.fields["all_rows"]
        return Text(f"{rows:,} rows" if rows else "")


class _Rate(ProgressColumn):
    """Rows a second since the run began."""

    def render(self, task: Task) -> Text:
        elapsed = task.elapsed or 0.0
        rows = task.fields["rows"]
        return Text(f"{rows / elapsed:,.0f} rows/s" if rows and elapsed else "")


class Watch:
    """Shows one job; ``total`` and what is completed are bytes of a line format, or rows of a Parquet file."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            _Rows(),
            _Rate(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("scoring", total=None, rows=0, all_rows=0)

    def stage(self, what: str, total: int) -> Callable[[int], None]:
        """Begin something of so many bytes that comes before scoring; give what to call with each few of them."""
        self._bar.reset(self._task, total=total, completed=0, description=what, rows=0, all_rows=0)
        return lambda size: self._bar.advance(self._task, size)

    def begin(self, total: int, completed: int, rows: int) -> None:
        """Start the clock, with what earlier runs have done."""
        self._bar.reset(self._task, total=total, completed=completed, description="scoring", rows=0, all_rows=rows)

    def advance(self, completed: int, rows: int, all_rows: int) -> None:
        """Show how far it is: rows of this run, and of all."""
        self._bar.update(self._task, completed=completed, rows=rows, all_rows=all_rows)

    def note(self, words: str) -> None:
        """Say what the job waits for, once each time it begins to wait; nothing when it goes on."""
        if words:
            self._console.print(words, style="yellow", markup=False, highlight=False, soft_wrap=True)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
