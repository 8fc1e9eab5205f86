"""What the verbs have in common: a progress bar with a rate on a terminal, nothing elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn


class Bars:
    """Shows each stage as a bar."""

    def __init__(self, bars: Progress) -> None:
        """Draw on these bars."""
        self._bars = bars

    def stage(self, what: str, total: int) -> Callable[[int], None]:
        """Begin a stage of so many bytes."""
        task = self._bars.add_task(what, total=total)
        return lambda size: self._bars.advance(task, size)


@contextmanager
def shown() -> Iterator[Bars]:
    """Show progress on stderr for as long as the block runs; only a terminal gets to see it."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        yield Bars(bars)


class Unseen:
    """Progress that nobody watches."""

    def stage(self, what: str, total: int) -> Callable[[int], None]:
        """Begin a stage, and forget it."""
        return lambda size: None
