"""How many requests to have in flight, and what to do about one that failed. Numbers and errors in, decisions out.

The server's queue is bounded and online traffic stands in it too, so the job must not fill it: it takes as many
requests as make it faster, and no more. It tries more; where the rate does not rise with them, it goes back. A refusal
halves the number at once.
"""

from dataclasses import dataclass

from tritext import (
    DeadlineExceeded,
    InferenceFailed,
    InvalidInput,
    QueueFull,
    TritextError,
    Unavailable,
)

# A rate is measured over so many answers for each request in flight, and so many seconds at least.
ROUNDS, SECONDS = 6, 0.5
# By how much more requests must raise the rate to be worth it, and how many measurements a decision then holds.
GAIN, HOLD = 1.04, 30
# How many it holds after a refusal, before more are tried again.
HOLD_REFUSED = 4


class Window:
    """How many requests may be in flight."""

    def __init__(self, first: int = 4, most: int = 32) -> None:
        self._most = most
        self.limit = min(first, most)
        self._best_limit, self._best_rate = self.limit, 0.0
        self._held, self._cut = 0, False
        self._answers, self._since, self._texts = 0, -1.0, 0

    def answered(self, texts: int, now: float) -> None:
        """Note an answer with so many texts at a moment in seconds."""
        self._cut = False
        if self._since < 0:
            self._since = now
            return
        self._answers += 1
        self._texts += texts
        if self._answers >= ROUNDS * self.limit and now - self._since >= SECONDS:
            self._decide(self._texts / (now - self._since))
            self._answers, self._since, self._texts = 0, now, 0

    def refused(self) -> None:
        """Note that the server had no room; what it refuses together counts once."""
        if self._cut:
            return
        self._cut = True
        self.limit = max(1, self.limit // 2)
        self._best_limit, self._best_rate, self._held = self.limit, 0.0, HOLD_REFUSED
        self._answers, self._since, self._texts = 0, -1.0, 0

    def _decide(self, rate: float) -> None:
        if self._held > 1:
            self._held -= 1
            return
        if self._held == 1:  # conditions may have changed: measure afresh
            self._held, self._best_rate = 0, 0.0
        if rate > self._best_rate * GAIN:
            self._best_limit, self._best_rate = self.limit, rate
            self.limit = min(self._most, self.limit + max(1, self.limit // 2))
        else:
            self.limit = self._best_limit
            self._held = HOLD


@dataclass(frozen=True, slots=True)
class Wait:
    """Send it again after some seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Divide:
    """Send its texts in two halves, to find the one that is refused."""


@dataclass(frozen=True, slots=True)
class Reject:
    """The one text that is left is at fault."""


@dataclass(frozen=True, slots=True)
class Stop:
    """The job cannot go on."""


Decision = Wait | Divide | Reject | Stop


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a job waits for its server.

    Attributes:
        seconds: For one that is away or full.
        failures: How often a request is sent again that the server failed at.
        longest: The longest pause, in seconds, unless the server asks for more.
    """

    seconds: float = 300.0
    failures: int = 3
    longest: float = 5.0


def decide(error: TritextError, texts: int, attempt: int, waited: float, patience: Patience) -> Decision:
    """Decide what follows a failure.

    Args:
        error: What the request failed with.
        texts: How many texts it had.
        attempt: How often it has failed, this time included.
        waited: Seconds since it failed first.
        patience: How long to wait.
    """
    if isinstance(error, InvalidInput):
        return Divide() if texts > 1 else Reject()
    pause = max(error.retry_after or 0.0, min(patience.longest, 0.1 * 2.0 ** min(attempt - 1, 10)))
    if isinstance(error, QueueFull | Unavailable | DeadlineExceeded):
        return Wait(pause) if waited + pause <= patience.seconds else Stop()
    if isinstance(error, InferenceFailed):
        return Wait(pause) if attempt <= patience.failures else Stop()
    return Stop()
