"""Requests on a schedule: items and moments in, latencies and what went wrong out.

Latency counts from the moment when a request was due, whoever is late.
"""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tritext import QueueFull, TritextError
from tritext_loadtest.statistics import percentile
from tritext_loadtest.texts import Item

SENDERS = 64
Ask = Callable[[Sequence[Item]], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent at once.

    Attributes:
        items: Its texts.
        labels: What each is to get; "" where any will do.
    """

    items: tuple[Item, ...]
    labels: tuple[str, ...]


@dataclass(slots=True)
class Offered:
    """What became of the requests.

    Attributes:
        latencies: Seconds of each that was answered.
        lateness: Seconds that each was handed to a sender after it was due.
        rejected: How many were refused for a full queue.
        failed: How many failed otherwise.
        wrong: Texts with another label than wanted.
        texts: Texts answered.
    """

    latencies: list[float] = field(default_factory=list)
    lateness: list[float] = field(default_factory=list)
    rejected: int = 0
    failed: int = 0
    wrong: int = 0
    texts: int = 0

    @property
    def figures(self) -> dict[str, float]:
        """Give the figures of the objectives; a latency is infinite where nothing was answered."""
        count = max(1, len(self.lateness))
        found = {
            f"p{share}_ms": 1e3 * percentile(self.latencies, share / 100) if self.latencies else float("inf")
            for share in (50, 95, 99)
        }
        return found | {
            "error_rate": self.failed / count,
            "rejected_share": self.rejected / count,
            "label_mismatch": float(self.wrong),
        }


def offer(ask: Ask, requests: Sequence[Request], due: Sequence[float]) -> Offered:
    """Send requests at their moments, in turn.

    Args:
        ask: A thread-safe call that gives each item's label.
        requests: At least one; they start over when they are used up.
        due: Moments in seconds from now, ascending.

    Raises:
        KeyboardInterrupt: as it comes; no request is sent after that.
    """
    run = _Run(ask)
    senders = [threading.Thread(target=run.send, daemon=True) for _ in range(min(SENDERS, max(1, len(due))))]
    for sender in senders:
        sender.start()
    try:
        run.dispatch(requests, due)
    except BaseException:
        run.give_up()
        raise
    finally:
        run.end(len(senders))
    for sender in senders:
        sender.join()
    return run.offered


class _Run:
    """What the dispatcher and the senders share."""

    def __init__(self, ask: Ask) -> None:
        self.offered = Offered()
        self._ask = ask
        self._due: queue.SimpleQueue[tuple[float, Request] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._over = False

    def dispatch(self, requests: Sequence[Request], due: Sequence[float]) -> None:
        """Hand each request over when it is due."""
        started = time.perf_counter()
        for number, moment in enumerate(due):
            wait = started + moment - time.perf_counter()
            if wait > 0:
                time.sleep(wait)
            self._due.put((started + moment, requests[number % len(requests)]))

    def give_up(self) -> None:
        """Let what is still due be forgotten."""
        self._over = True

    def end(self, senders: int) -> None:
        """Tell every sender that no more will come."""
        for _ in range(senders):
            self._due.put(None)

    def send(self) -> None:
        """Send what falls due."""
        while (item := self._due.get()) is not None:
            if not self._over:
                self._send(*item)

    def _send(self, moment: float, request: Request) -> None:
        late = time.perf_counter() - moment
        labels: Sequence[str] = ()
        rejected = failed = 0
        try:
            labels = self._ask(request.items)
        except QueueFull:
            rejected = 1
        except TritextError:
            failed = 1
        taken = time.perf_counter() - moment
        with self._lock:
            offered = self.offered
            offered.lateness.append(late)
            offered.rejected += rejected
            offered.failed += failed
            if labels:
                offered.latencies.append(taken)
                offered.texts += len(labels)
                offered.wrong += sum(want not in ("", got) for want, got in zip(request.labels, labels, strict=True))
