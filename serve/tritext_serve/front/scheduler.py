"""Which requests are answered together, by whom, and which not at all: a bounded queue of jobs in, batches out.

Triton hands requests over in messages, and an answer of its own for each costs a message and a thread's wake-up. So
who hands over a few while the engine is idle answers them at once, all in one message (``claim``), and Triton gathers
the next ones meanwhile. Whoever hands over more than that puts them into the queue (``admit``), which a thread of
this module empties. Then Triton's own queue stays empty and this one is bounded: Triton 24.10 with a bounded queue
leaves requests lying for half a second when they arrive while its only instance is busy (docs/performance.md).
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from tritext_serve.front.niceness import step_back
from tritext_serve.front.options import OptionsError
from tritext_serve.front.texts import TextError

Job = TypeVar("Job")
DEFAULT_MAX_QUEUE = 256
# Triton's own words for a full queue, by which clients know it.
QUEUE_FULL = "Exceeds maximum queue size: send again later, or fewer requests at a time"

# More text than that (some 2,000 tokens) is not classified while Triton waits: it hands nothing over meanwhile, and
# what there is no room for would be refused late.
AT_ONCE_CHARACTERS = 8192

# How long after answers the next requests of their clients are expected.
EXPECTED_SECONDS = 0.02
# How long Triton is kept from handing over more while the engine works, and while company is waited for: many requests
# in one message cost less than one by one (docs/performance.md). A refused one waits as long.
PACE_WORKING_SECONDS, PACE_GATHERING_SECONDS = 0.005, 0.0005


@dataclass(frozen=True, slots=True)
class Gathering:
    """How long an idle engine waits for the requests that usually follow on answers.

    Clients that send one request after another come back together, and one batch of them costs less than one for the
    first and another for the rest. They do not come at once, as they share cores too; but once they pause, nobody does.

    Attributes:
        most_seconds: From the first request on.
        pause_seconds: From the latest one on.
        share: Of those who are expected; with so many, waiting for the last ones saves less than it takes.
    """

    most_seconds: float = 0.012
    pause_seconds: float = 0.002
    share: float = 0.75


class Scheduler(Generic[Job]):
    """A bounded queue, first come first served within two priorities, and the thread that empties it.

    One batch is answered at a time, by that thread or by who has claimed it.
    """

    def __init__(
        self,
        answer: Callable[[Sequence[Job]], None],
        max_waiting: int,
        max_texts: int,
        gathering: Gathering = Gathering(),
    ) -> None:
        """Start the thread.

        Args:
            answer: Answers a batch of jobs, and must not raise.
            max_waiting: Most jobs in the queue, those that are being answered not counted.
            max_texts: Most texts in a batch; a job with more comes alone.
            gathering: How long to wait for company.
        """
        self._answer = answer
        self._max_waiting = max_waiting
        self._max_texts = max_texts
        self._gathering = gathering
        self._queues: tuple[deque[tuple[Job, int]], ...] = (deque(), deque())
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._idle = threading.Condition(self._lock)
        self._working = False
        self._expected = 0
        self._ended, self._arrived, self._until = -math.inf, -math.inf, math.inf
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="scheduler", daemon=True)
        self._thread.start()

    @property
    def is_full(self) -> bool:
        """Whether there is no room for another job."""
        with self._lock:
            return self._waiting >= self._max_waiting

    def admit(self, job: Job, texts: int, later: bool = False) -> bool:
        """Put a job into the queue.

        Args:
            job: What ``answer`` will be given.
            texts: How many texts it has.
            later: Whether it may wait for all that are not ``later``.

        Returns:
            Whether there was room.
        """
        with self._changed:
            if self._closed or self._waiting >= self._max_waiting:
                return False
            self._queues[later].append((job, texts))
            self._arrived = time.monotonic()
            if not self._working:
                self._changed.notify()
        return True

    def claim(self, jobs: int, texts: int) -> list[Job] | None:
        """Let the caller answer jobs that it has at hand, behind all that wait; it must say when it has ``ended``.

        Args:
            jobs: How many it has.
            texts: How many texts they have.

        Returns:
            The jobs that wait; nothing where the engine works, where all would be a full batch or more than the queue
            may hold, so that the rest of Triton's queue must be seen, or where company is still expected.
        """
        with self._lock:
            waiting = self._waiting + jobs
            texts += sum(count for queue in self._queues for _, count in queue)
            if self._closed or self._working or texts >= self._max_texts or waiting > self._max_waiting:
                return None
            if not self._suffices(waiting) and self._patience() > 0:
                return None
            self._working, self._expected = True, 0
            return self._take()

    def ended(self, jobs: int) -> None:
        """Say that a batch of so many jobs has been answered; their clients are expected back."""
        with self._changed:
            self._working = False
            self._expected = min(jobs + self._waiting, self._max_waiting)
            self._ended, self._until = time.monotonic(), math.inf
            self._idle.notify_all()
            if self._waiting or self._closed:
                self._changed.notify()

    def pace(self) -> None:
        """Keep the caller, who hands jobs over, for a moment if they could not be begun sooner for it."""
        with self._changed:
            if self._working:
                self._idle.wait_for(lambda: not self._working, PACE_WORKING_SECONDS)
            elif self._waiting < self._expected:
                self._idle.wait(PACE_GATHERING_SECONDS)

    def close(self) -> None:
        """Answer what waits and end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    @property
    def _waiting(self) -> int:
        return sum(map(len, self._queues))

    def _serve(self) -> None:
        step_back()
        while batch := self._next():
            try:
                self._answer(batch)
            finally:  # or nobody would be answered any more
                self.ended(len(batch))

    def _next(self) -> list[Job]:
        """Wait for a batch; nothing when the scheduler is closed and empty."""
        with self._changed:
            while self._working or not self._closed:
                if self._working or not self._waiting:
                    self._changed.wait()
                elif self._is_complete or (left := self._patience()) <= 0:
                    break
                else:
                    self._changed.wait(left)
            self._working, self._expected = True, 0
            return self._take()

    def _patience(self) -> float:
        """Seconds to wait for company yet; the first who asks since the latest answers begins the wait."""
        now = time.monotonic()
        if self._until == math.inf:
            expected = now < self._ended + EXPECTED_SECONDS
            self._arrived, self._until = now, now + self._gathering.most_seconds * expected
        return min(self._until, self._arrived + self._gathering.pause_seconds) - now

    def _suffices(self, waiting: int) -> bool:
        """Whether so many requests are most of those that are expected."""
        return waiting >= self._gathering.share * self._expected

    @property
    def _is_complete(self) -> bool:
        """Whether nothing is gained by waiting for more."""
        texts = sum(count for queue in self._queues for _, count in queue)
        return self._suffices(self._waiting) or texts >= self._max_texts

    def _take(self) -> list[Job]:
        batch: list[Job] = []
        room = self._max_texts
        for queue in self._queues:
            while queue and (queue[0][1] <= room or not batch):
                job, texts = queue.popleft()
                batch.append(job)
                room -= texts
        return batch


def read_max_queue(parameters: Mapping[str, str]) -> int:
    """Read how many requests may wait, from ``config.pbtxt``.

    Raises:
        OptionsError: it is not a whole number of 1 or more.
    """
    text = parameters.get("max_queue", str(DEFAULT_MAX_QUEUE))
    if not text.isdecimal() or int(text) < 1:
        raise OptionsError(f"config.pbtxt parameters: max_queue is {text!r}, not a positive whole number")
    return int(text)


def read_background(parameters: Mapping[str, Any]) -> bool:
    """Read from a request's parameters whether it lets all others pass.

    Raises:
        TextError: ``background`` is neither true nor false.
    """
    value = parameters.get("background", False)
    if not isinstance(value, bool):
        raise TextError(f"parameter background is {value!r}: give true or false")
    return value
