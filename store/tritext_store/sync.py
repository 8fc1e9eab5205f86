"""The local repository follows the remote one: what each round found in, what is said and how long is waited out.

``Follower`` decides and asks its ``pull`` and ``apply``; clocks and signals are the command's.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tritext_store.errors import MissingExtra, StoreError
from tritext_store.pull import Pulled

MOST_SECONDS = 300.0
# A long time-out must not overflow what a float can count.
_MOST_DOUBLINGS = 16


def pause(every: float, failures: int) -> float:
    """Say how many seconds to wait: twice as long after each failure in a row, five minutes at most.

    Args:
        every: Seconds between rounds when all is well.
        failures: Rounds in a row that failed.
    """
    return max(every, min(MOST_SECONDS, every * 2.0 ** min(failures, _MOST_DOUBLINGS)))


@dataclass(slots=True)
class Follower:
    """Keeps a repository like the remote one, round by round.

    Attributes:
        pull: Pulls once.
        apply: Has the running endpoint take what was pulled; gives what is wrong, "" if nothing is.
        failures: Rounds in a row that failed.
        generation: Name of the state in force here.
        succeeded: When the remote repository was last seen and is the one here; 0 for never.
    """

    pull: Callable[[], Pulled]
    apply: Callable[[], str] | None = None
    failures: int = 0
    generation: str = ""
    succeeded: float = 0.0
    _reason: str = ""
    _applied: str = ""

    def round(self, now: float) -> str:
        """Pull once, and apply what is new.

        Args:
            now: The time, in seconds.

        Returns:
            What is to be said: a new state, a new reason why there is none, or that all is well again; else "".

        Raises:
            MissingExtra: a package is not installed, which no waiting mends.
        """
        try:
            pulled = self.pull()
        except MissingExtra:
            raise
        except StoreError as error:
            return self._failed(str(error))
        said = self._arrived(pulled)
        if self.apply is not None and self._applied != pulled.generation:
            if problem := self.apply():
                return "\n".join(filter(None, (said, self._failed(problem))))
            self._applied = pulled.generation
        again = "all is well again" if self._reason and not said else ""
        self.failures, self._reason, self.succeeded = 0, "", now
        return said or again

    def _arrived(self, pulled: Pulled) -> str:
        before, self.generation = self.generation, pulled.generation
        if pulled.changed:
            return f"now {pulled.generation[:12]}: {pulled.files} files, {pulled.fetched / 1e6:.1f} MB fetched"
        return "" if before else f"is {pulled.generation[:12]} already"

    def _failed(self, reason: str) -> str:
        self.failures += 1
        if reason == self._reason:
            return ""
        self._reason = reason
        return f"{reason}; what is here stays"


def metrics(follower: Follower) -> str:
    """Write how the following goes, as a text file that Prometheus' node exporter collects."""
    return (
        "# HELP ttx_sync_last_success_timestamp_seconds When the remote repository was last seen and is the one here.\n"
        "# TYPE ttx_sync_last_success_timestamp_seconds gauge\n"
        f"ttx_sync_last_success_timestamp_seconds {follower.succeeded:.3f}\n"
        "# HELP ttx_sync_failures Rounds in a row that failed.\n"
        "# TYPE ttx_sync_failures gauge\n"
        f"ttx_sync_failures {follower.failures}\n"
    )
