"""Progress on standard error, for long work that a person watches."""

import itertools
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from tritext_export.candidates import Target
from tritext_export.certificate.wording import percent
from tritext_export.trial import Trial

WIDTH = 24
# A step that took less is not worth a word.
LEAST_SECONDS = 0.5


class ConsoleProgress:
    """Steps as lines, counted work as a bar that leaves when it is full; at the end, how long each took."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._began: list[tuple[str, float]] = []

    def step(self, what: str) -> None:
        """Say which step begins."""
        self._began.append((what, time.perf_counter()))
        self._console.print(f"· {what} …", style="dim", markup=False)

    def track(self, items: Iterable[Any], total: int, what: str) -> Iterator[Any]:
        """Hand on items while a bar counts them."""
        if not self._console.is_terminal:
            self.step(what)
            yield from items
            return
        self._began.append((what, time.perf_counter()))
        columns = (
            TextColumn(f"· {what:<{WIDTH}}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self._console, transient=True) as progress:
            yield from progress.track(items, total=total)

    def finish(self) -> None:
        """Say in one line how long it all took and where the time went; a step lasts until the next one begins."""
        took = durations(self._began, time.perf_counter())
        longest = sorted(took.items(), key=lambda item: -item[1])
        shares = ", ".join(f"{what} {seconds:.0f} s" for what, seconds in longest if seconds >= LEAST_SECONDS)
        line = f"· took {sum(took.values()):.0f} s{shares and f': {shares}'}"
        self._console.print(line, style="dim", markup=False, soft_wrap=True)


def durations(began: Sequence[tuple[str, float]], now: float) -> dict[str, float]:
    """Give the seconds of every step by name.

    Args:
        began: Each step's name and when it began, in their order.
        now: When the last one ended.

    Example:
        >>> durations([("loading", 1.0), ("asking", 3.0), ("loading", 4.0)], 9.0)
        {'loading': 7.0, 'asking': 1.0}
    """
    took: dict[str, float] = {}
    for (what, start), (_, end) in itertools.pairwise([*began, ("", now)]):
        took[what] = took.get(what, 0.0) + end - start
    return took


def print_trials(trials: Sequence[Trial], target: Target = "cpu") -> None:
    """Print what was tried on standard output, the published one marked."""
    # A GPU is timed by the clock on the wall.
    cost = "CPU-ms a text" if target == "cpu" else "ms a text"
    table = Table("", "candidate", "accuracy", "agreement", "unstable", "MB", cost, "", box=None, pad_edge=False)
    for column in table.columns[2:7]:
        column.justify = "right"
    for trial in trials:
        table.add_row(
            "→" if trial.chosen else "",
            escape(trial.name),
            "" if trial.accuracy is None else f"{trial.accuracy:.4f}",
            "" if trial.agreement is None else percent(trial.agreement),
            str(trial.unstable),
            f"{trial.bytes / 1e6:.1f}",
            "" if trial.milliseconds is None else f"{trial.milliseconds:.2f}",
            "passed" if trial.passed else "refused",
        )
    console = Console(soft_wrap=True, highlight=False, markup=False)
    console.print(table)
    for trial in trials:
        if not trial.passed:
            console.print(f"   {trial.name} was refused: {trial.reason}")
