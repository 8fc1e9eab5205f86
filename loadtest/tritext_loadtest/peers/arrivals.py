"""Latency at a given rate: requests on a schedule, each counted from the moment it was due."""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tritext_loadtest.peers.errors import PeerError
from tritext_loadtest.scenarios import Phase
from tritext_loadtest.schedule import MOST_MOMENTS, moments
from tritext_loadtest.statistics import percentile

SHARES = (0.5, 0.7, 0.9)
SENDERS = 64
# A generator that is this late has measured itself.
MOST_LATE_MILLISECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Latency:
    """How a server felt at a rate.

    Attributes:
        share: Of the rate at which it was saturated.
        texts_per_second: The rate.
        p50_milliseconds: Median, from the moment the request was due.
        p99_milliseconds: What one request in a hundred exceeds.
        lateness_milliseconds: How late one request in a hundred was handed to a sender.
        failed: Share of the requests that were refused or broke off; they have no latency.
    """

    share: float
    texts_per_second: float
    p50_milliseconds: float
    p99_milliseconds: float
    lateness_milliseconds: float
    failed: float = 0.0

    @property
    def void(self) -> bool:
        """Whether the generator was too late for the figures to mean anything."""
        return self.lateness_milliseconds > MOST_LATE_MILLISECONDS


def measure_latency(
    classify: Callable[[Sequence[str]], Sequence[str]],
    texts: Sequence[str],
    saturation: float,
    share: float,
    seconds: float,
) -> Latency:
    """Send single texts at a share of the rate that saturates a server.

    Args:
        classify: A thread-safe call.
        texts: What to send, over and over.
        saturation: Texts a second that the server takes at most.
        share: Of that.
        seconds: How long.

    Raises:
        PeerError: no request is answered, or there would be too many.
        KeyboardInterrupt: as it comes; no request is sent after that.
    """
    rate = share * saturation
    if not rate * seconds <= MOST_MOMENTS:
        raise PeerError(
            f"{rate:.0f} texts a second for {seconds:g} s are more than {MOST_MOMENTS:,}: give a shorter --latency"
        )
    run = _Run(classify, texts)
    run.carry_out(list(moments([Phase(seconds, rate, rate)], seed=round(100 * share))))
    if not run.latencies:
        raise PeerError(str(run.errors[0]) if run.errors else f"no request fell due within {seconds:g} s")
    return Latency(
        share,
        rate,
        1e3 * percentile(run.latencies, 0.5),
        1e3 * percentile(run.latencies, 0.99),
        1e3 * percentile(run.lateness, 0.99),
        len(run.errors) / (len(run.errors) + len(run.latencies)),
    )


class _Run:
    """What the dispatcher and the senders share."""

    def __init__(self, classify: Callable[[Sequence[str]], Sequence[str]], texts: Sequence[str]) -> None:
        self.latencies: list[float] = []
        self.lateness: list[float] = []
        self.errors: list[BaseException] = []
        self._over = False
        self._classify, self._texts = classify, texts
        self._due: queue.SimpleQueue[tuple[float, str] | None] = queue.SimpleQueue()

    def carry_out(self, due: Sequence[float]) -> None:
        """Send everything; where that is interrupted, nothing more."""
        senders = [threading.Thread(target=self.send, daemon=True) for _ in range(SENDERS)]
        for sender in senders:
            sender.start()
        try:
            self.dispatch(due)
        except BaseException:
            self._over = True
            raise
        finally:
            self.end()
        for sender in senders:
            sender.join()

    def dispatch(self, due: Sequence[float]) -> None:
        """Hand each request over when it is due."""
        started = time.perf_counter()
        for number, moment in enumerate(due):
            wait = started + moment - time.perf_counter()
            if wait > 0:
                time.sleep(wait)
            self.lateness.append(time.perf_counter() - started - moment)
            self._due.put((started + moment, self._texts[number % len(self._texts)]))

    def end(self) -> None:
        """Tell every sender that no more will come."""
        for _ in range(SENDERS):
            self._due.put(None)

    def send(self) -> None:
        """Send what falls due; what is still due when all is over is forgotten."""
        while (item := self._due.get()) is not None:
            if self._over:
                continue
            moment, text = item
            try:
                self._classify([text])
            except Exception as error:
                self.errors.append(error)
            else:
                self.latencies.append(time.perf_counter() - moment)
