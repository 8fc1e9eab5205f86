"""Ended processes that nobody waits for: process 1 is their parent, and they stay in the table until it looks."""

import contextlib
import os
from collections.abc import Callable

from tritext_serve import processes

Reap = Callable[[int], None]


def _reap(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):  # whoever started it has looked just now
        os.waitpid(pid, os.WNOHANG)


class Orphans:
    """Lets go of ended children that are still there at a second look; their starters look much sooner.

    So the exit status of a Triton is left to whoever started it, and no list of all children has to be kept.
    """

    def __init__(self, ended: Callable[[], set[int]] = processes.ended_children, reap: Reap = _reap) -> None:
        """Look at nothing yet.

        Args:
            ended: Lists the children that have ended and were not waited for.
            reap: Waits for one of them.
        """
        self._ended, self._reap = ended, reap
        self._before: set[int] = set()

    def look(self) -> None:
        """Reap who was there already the last time; call it once in a second or so."""
        found = self._ended()
        for pid in found & self._before:
            self._reap(pid)
        self._before = found - self._before
