"""Progress on standard error, for long work that a person watches."""

from collections.abc import Iterable, Iterator
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

WIDTH = 24


class ConsoleProgress:
    """Steps as lines, counted work as a bar that leaves when it is full."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)

    def step(self, what: str) -> None:
        """Say which step begins."""
        self._console.print(f"· {what} …", style="dim")

    def track(self, items: Iterable[Any], total: int, what: str) -> Iterator[Any]:
        """Hand on items while a bar counts them."""
        if not self._console.is_terminal:
            self.step(what)
            yield from items
            return
        columns = (TextColumn(f"· {what:<{WIDTH}}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=self._console, transient=True) as progress:
            yield from progress.track(items, total=total)
