"""One Triton and the thread that watches it: what ``evidence`` sees goes into ``state``, and what that decides is done.

The address stays the same through every restart, so the edge's files need not change when an instance comes back.
"""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from tritext_serve import processes
from tritext_serve.endpoint.supervisor.evidence import Evidence
from tritext_serve.endpoint.supervisor.limits import Group
from tritext_serve.endpoint.supervisor.state import (
    Action,
    Answered,
    Event,
    Failed,
    Gone,
    Phase,
    Reason,
    State,
    Stop,
    Tick,
    step,
)
from tritext_serve.errors import ServeError, ServerDiedError, WrongAnswerError
from tritext_serve.server import Server

# Seconds between canaries, and between looks at the processes.
CANARY_PERIOD, LOOK_PERIOD = 1.0, 0.1
# What Azure's liveness probe waits.
CANARY_TIMEOUT = 2.0
GENTLE_SECONDS = 10.0
_LOG = logging.getLogger(__name__)


class Journal(Protocol):
    """Who counts what happens to an instance."""

    def answered(self, deployment: str, seconds: float) -> None:
        """A canary was answered."""

    def failed(self, deployment: str, reason: Reason) -> None:
        """An instance is given up."""

    def suspected(self, deployment: str) -> None:
        """An instance gets no requests until it answers again."""


@dataclass(frozen=True, slots=True)
class Shop:
    """What instances share.

    Attributes:
        spawner: One thread that starts every Triton and outlives them: the kernel ends a Triton with the thread that
            started it.
        journal: Who counts.
        gentle_seconds: How long a Triton that is told to stop may take.
        clock: A monotonic clock, in seconds.
    """

    spawner: ThreadPoolExecutor
    journal: Journal
    gentle_seconds: float = GENTLE_SECONDS
    clock: Callable[[], float] = time.monotonic


class Instance:
    """One Triton of a deployment."""

    def __init__(self, deployment: str, number: int, server: Server, group: Group, shop: Shop) -> None:
        """Nothing is started yet.

        Args:
            deployment: Its deployment's name.
            number: Which of the deployment's; no number is used twice.
            server: The Triton, stopped.
            group: Where its processes are to be held in limits.
            shop: What instances share.
        """
        self.deployment, self.number, self.server = deployment, number, server
        self.state = State(since=shop.clock())
        self._group, self._shop = group, shop
        self._evidence: Evidence | None = None
        self._canary: Future[Event] | None = None
        self._asked = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"{deployment}-{number}", daemon=True)
        self._prober = ThreadPoolExecutor(1, thread_name_prefix=f"canary-{deployment}-{number}")

    @property
    def used(self) -> bool:
        """Whether anybody is connected to it, the canary aside."""
        address = self.server.options.address
        return self.state.phase is Phase.SERVING and processes.connected(self.server.pid, (address.http, address.grpc))

    @property
    def memory_bytes(self) -> int:
        """Resident memory of its processes; 0 while it does not serve."""
        if self.state.phase is not Phase.SERVING:
            return 0
        try:
            return self.server.footprint().rss_bytes
        except ServerDiedError:
            return 0

    def start(self) -> None:
        """Begin to start and watch the Triton; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Stop watching and stop the Triton, as gently as it lets itself; returns when both are done."""
        self._stop.set()
        while self._thread.is_alive():
            if self.state.phase is Phase.STARTING:
                self.server.interrupt()  # the thread waits for it to answer; again, for it may just be launched
            self._thread.join(LOOK_PERIOD)
        self._prober.shutdown(wait=True)

    def _run(self) -> None:
        while self.state.phase is not Phase.STOPPED:
            try:
                event = self._next()
            except Exception as error:  # the watch must outlive whatever it meets
                _LOG.exception("%s/%d: the watch failed", self.deployment, self.number)
                event = Failed(Reason.ERROR, repr(error))
            self._take(event)

    def _next(self) -> Event:
        """Wait for what happens next in this phase."""
        if self._stop.is_set():
            return Stop()
        if self.state.phase is Phase.STARTING:
            return self._launch()
        self._stop.wait(LOOK_PERIOD if self.state.phase is Phase.SERVING else self._until_due())
        if self._stop.is_set():
            return Stop()
        return self._look() if self.state.phase is Phase.SERVING else Tick()

    def _until_due(self) -> float:
        return max(0.0, self.state.due - self._shop.clock())

    def _launch(self) -> Event:
        try:
            self._shop.spawner.submit(self.server.launch).result()
            self._group.add(self.server.pid)
            self.server.wait_until_answering(time.monotonic() + self.server.options.start_timeout)
        except WrongAnswerError as error:
            return Failed(Reason.WRONG_ANSWER, str(error))
        except (ServeError, OSError) as error:
            if self._stop.is_set():  # which is what killed it
                return Stop()
            return self._blamed(Failed(Reason.START, str(error)))
        self._evidence = Evidence(
            self.server, CANARY_TIMEOUT, lambda s: self._shop.journal.answered(self.deployment, s)
        )
        return Answered()

    def _look(self) -> Event:
        """Look at the processes, and at the canary that was sent."""
        if self._evidence is None:
            return Tick()
        if failed := self._evidence.of_processes():
            return self._blamed(failed)
        if self._canary is not None:
            if not self._canary.done():
                return Tick()
            event, self._canary = self._canary.result(), None
            return event
        if self._shop.clock() - self._asked >= CANARY_PERIOD or self.state.suspect:
            self._asked = self._shop.clock()
            self._canary = self._prober.submit(self._evidence.of_canaries)
        return Tick()

    def _blamed(self, failed: Failed) -> Failed:
        """Say of a failure that the kernel has caused it for want of memory, if so: Triton's own words do not."""
        if self._group.reason(failed.reason) is not Reason.OOM:
            return failed
        mebibytes = (self._group.memory_bytes or 0) >> 20
        why = f"its deployment may take {mebibytes} MiB, which was not enough: give it more with --memory"
        return Failed(Reason.OOM, f"{why}: {failed.detail}")

    def _take(self, event: Event) -> None:
        before = self.state
        self.state, action = step(before, event, self._shop.clock())
        self._report(before, event)
        if action in (Action.KILL, Action.END):
            self._evidence = self._canary = None
            self._end(0.0 if action is Action.KILL else self._shop.gentle_seconds)
            self.state, _ = step(self.state, Gone(), self._shop.clock())

    def _end(self, patience: float) -> None:
        try:
            self.server.stop(patience)
        except Exception:  # the watch must outlive this, too; a start that then fails ends it again
            _LOG.exception("%s/%d: could not be ended in order", self.deployment, self.number)

    def _report(self, before: State, event: Event) -> None:
        """Say in the log what has changed, and count failures."""
        who, now = f"{self.deployment}/{self.number}", self.state
        if now.phase is Phase.ILL and before.phase is not Phase.ILL:
            self._shop.journal.failed(self.deployment, now.reason)
            _LOG.error("%s is ill (%s): %s: it gets no requests and is started again", who, now.reason, now.detail)
        elif now.phase is Phase.SERVING and before.phase is Phase.STARTING:
            _LOG.info("%s serves, %.1f s after it was started", who, self._shop.clock() - before.since)
        elif now.suspect and not before.suspect:
            self._shop.journal.suspected(self.deployment)
            _LOG.warning("%s is late with its canary and does nothing: it gets no requests until it answers", who)
        elif before.suspect and not now.suspect and now.phase is Phase.SERVING:
            _LOG.info("%s answers again", who)
