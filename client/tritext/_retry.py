"""Whether to try again, and after how long: an error and some numbers in, seconds out. No clock, no randomness.

Full jitter: a wait is drawn evenly from nothing up to a ceiling that doubles with every attempt, so that clients
which failed together do not come back together.
"""

from dataclasses import dataclass

from tritext._errors import TritextError


@dataclass(frozen=True, slots=True)
class Backoff:
    """How patient a client is.

    Attributes:
        retries: How many times a request is sent again after the first one.
        first: Ceiling of the first wait, in seconds.
        longest: Ceiling that no wait exceeds unless the server asks for more, in seconds.
    """

    retries: int = 3
    first: float = 0.2
    longest: float = 2.0


def pause_before_retry(
    error: TritextError, attempt: int, remaining: float, backoff: Backoff, chance: float
) -> float | None:
    """Decide what follows a failed attempt.

    Args:
        error: What the attempt failed with.
        attempt: How many attempts went before this one: 0 for the first.
        remaining: Seconds until the caller's deadline.
        backoff: How patient to be.
        chance: A random number in [0, 1).

    Returns:
        Seconds to wait before the next attempt, always less than ``remaining``; None to give up.
    """
    if not error.retryable or attempt >= backoff.retries:
        return None
    ceiling = min(backoff.longest, backoff.first * 2.0 ** min(attempt, 60))
    wait = max(chance * ceiling, error.retry_after or 0.0)
    return wait if wait < remaining else None
