"""Closed-loop load: texts and a client in, rates and every answer out.

Each worker sends its next request when the last one is answered, so this finds what a server can do, not how it feels
at a given rate; latency claims need arrivals on a schedule.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from tritext import Prediction

Classify = Callable[[Sequence[str]], Sequence[Prediction]]
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Shape:
    """The form of a load.

    Attributes:
        clients: Requests in flight.
        texts_per_request: Texts in each.
    """

    clients: int
    texts_per_request: int

    def __str__(self) -> str:
        """Say it in words."""
        texts = "1 text" if self.texts_per_request == 1 else f"{self.texts_per_request} texts"
        return f"{self.clients} client{'' if self.clients == 1 else 's'} × {texts}"


@dataclass(frozen=True, slots=True)
class LoadResult(Generic[Answer]):
    """What a load led to.

    Attributes:
        texts: Texts answered.
        seconds: Wall time from the first request to the last answer.
        latencies: Seconds of each request.
        predictions: The answer to each text, in the texts' order.
    """

    texts: int
    seconds: float
    latencies: tuple[float, ...]
    predictions: tuple[Answer, ...]

    @property
    def texts_per_second(self) -> float:
        """Throughput."""
        return self.texts / self.seconds


def chunks(texts: Sequence[str], size: int) -> list[Sequence[str]]:
    """Cut texts into requests."""
    return [texts[start : start + size] for start in range(0, len(texts), size)]


def run(
    classify: Callable[[Sequence[str]], Sequence[Answer]], texts: Sequence[str], shape: Shape
) -> LoadResult[Answer]:
    """Send every text once.

    Args:
        classify: A thread-safe call that answers a list of texts in their order.
        texts: What to send; bounds the load.
        shape: How many at once, and how.

    Raises:
        BaseException: the first error that a worker met; the others stop at their next request.
    """
    loop = _Loop(classify, chunks(texts, shape.texts_per_request))
    threads = [threading.Thread(target=loop.work) for _ in range(min(shape.clients, len(loop.requests)))]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - started
    if loop.errors:
        raise loop.errors[0]
    return LoadResult(len(texts), seconds, tuple(loop.latencies), tuple(p for a in loop.answers for p in a))


class _Loop(Generic[Answer]):
    """What the workers of one load share."""

    def __init__(
        self, classify: Callable[[Sequence[str]], Sequence[Answer]], requests: Sequence[Sequence[str]]
    ) -> None:
        self.requests = requests
        self.answers: list[Sequence[Answer]] = [()] * len(requests)
        self.latencies = [0.0] * len(requests)
        self.errors: list[BaseException] = []
        self._classify = classify
        self._positions = iter(range(len(requests)))
        self._lock = threading.Lock()

    def work(self) -> None:
        """Send one request after another until none is left or somebody failed."""
        while not self.errors:
            with self._lock:
                position = next(self._positions, None)
            if position is None:
                return
            started = time.perf_counter()
            try:
                self.answers[position] = self._classify(self.requests[position])
            except BaseException as error:
                self.errors.append(error)
            self.latencies[position] = time.perf_counter() - started
