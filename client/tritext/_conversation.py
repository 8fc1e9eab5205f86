"""Everything a client decides, and nothing that waits: the sync and the async client share this whole file.

A decision that needs the outside world is yielded as a step; the client performs it and sends the result back in,
or throws the error in. So a classify is a generator that says: send these chunks together, pause, send this one
again, ask for the label names, done. Time comes from ``now``, chance from ``chance``.

    steps: Send ─► Answer   Probe ─► bool   Pause ─► None   Together ─► list of results   Alone ─► result
"""

import random
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from tritext._errors import BatchTooLarge, DeadlineExceeded, InferenceFailed, TritextError, Unavailable
from tritext._prediction import Prediction
from tritext._protocol import ALL_CLASSES, NUMBERS, SCORES, Item, chunks, parse_labels, predictions, split_items
from tritext._retry import Backoff, pause_before_retry
from tritext._settings import Settings
from tritext._transports.base import Answer, Call

P = ParamSpec("P")
T = TypeVar("T")
# One question about readiness is not worth more of the caller's patience than this, in seconds.
PROBE_TIMEOUT = 2.0
PROBE_PAUSE = 0.1


@dataclass(frozen=True, slots=True)
class Send:
    """Send one request: gives its ``Answer``."""

    call: Call


@dataclass(frozen=True, slots=True)
class Probe:
    """Ask whether the model is ready: gives a bool."""

    model: str
    version: str
    timeout: float


@dataclass(frozen=True, slots=True)
class Pause:
    """Do nothing for some seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Together:
    """Run flows at the same time, at most ``width`` of them for ``timeout`` seconds: gives their results in order."""

    flows: "list[Flow[Any]]"
    width: int
    timeout: float


@dataclass(frozen=True, slots=True)
class Alone:
    """Run a flow while no other ``Alone`` of the same client runs: gives its result."""

    flow: "Flow[Any]"
    timeout: float


Step = Send | Probe | Pause | Together | Alone
Flow = Generator[Step, Any, T]


@dataclass(frozen=True, slots=True)
class Part:
    """The answer for a run of texts or pairs."""

    items: tuple[Item, ...]
    answer: Answer


class Conversation:
    """One client's side of its talk with one model, and what it has learnt: label names and the batch limit."""

    def __init__(
        self,
        settings: Settings,
        now: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._settings = settings
        self._where = settings.endpoint.describe(settings.model, settings.version)
        self._now = now
        self._chance = chance
        self._backoff = Backoff(retries=settings.retries)
        self._limit = settings.max_batch_size
        # By model version: a roll-out may change the labels under a client that lives on.
        self._labels: dict[str, tuple[str, ...]] = {}

    def classify(self, items: tuple[Item, ...], timeout: float, scores: bool) -> Flow[list[Prediction]]:
        """Classify checked texts, or pairs, within ``timeout`` seconds."""
        if not items:
            return []
        deadline = self._now() + timeout
        outputs = (*NUMBERS, SCORES) if scores else NUMBERS
        flows = [self._chunk(chunk, outputs, deadline) for chunk in chunks(items, self._limit)]
        parts: list[list[Part]]
        if len(flows) == 1:
            parts = [(yield from flows[0])]
        else:
            parts = yield Together(flows, self._settings.concurrency, timeout)
        found: list[Prediction] = []
        for part in (part for run in parts for part in run):
            labels = yield from self._labels_for(part, deadline)
            found += self._read(predictions, part.items, part.answer, labels)
        return found

    def ready(self, timeout: float) -> Flow[bool]:
        """Ask whether the model takes requests; a server that cannot be reached does not."""
        try:
            answer: bool = yield Probe(self._settings.model, self._settings.version, timeout)
        except (Unavailable, DeadlineExceeded):
            return False
        return answer

    def wait_until_ready(self, timeout: float) -> Flow[None]:
        """Ask until the model takes requests.

        Raises:
            DeadlineExceeded: ``timeout`` seconds have passed and it still does not.
        """
        deadline = self._now() + timeout
        while True:
            remaining = deadline - self._now()
            if remaining > 0 and (yield from self.ready(min(PROBE_TIMEOUT, remaining))):
                return
            if deadline - self._now() <= PROBE_PAUSE:
                raise DeadlineExceeded(
                    f"{self._where}: not ready within {timeout:g} s: see the server's log, or give a longer timeout"
                )
            yield Pause(PROBE_PAUSE)

    def _chunk(self, items: tuple[Item, ...], outputs: tuple[str, ...], deadline: float) -> Flow[list[Part]]:
        if len(items) > self._limit:  # learnt from another chunk's refusal, or from our own below
            pieces: list[Part] = []
            for piece in chunks(items, self._limit):
                pieces += yield from self._chunk(piece, outputs, deadline)
            return pieces
        try:
            answer = yield from self._ask(items, outputs, self._settings.version, deadline)
        except BatchTooLarge as error:
            if not 0 < error.limit < len(items):
                raise
            self._limit = min(self._limit, error.limit)
        else:
            return [Part(items, answer)]
        return (yield from self._chunk(items, outputs, deadline))

    def _ask(
        self, items: tuple[Item, ...], outputs: tuple[str, ...], version: str, deadline: float, class_count: int = 0
    ) -> Flow[Answer]:
        texts, pairs = split_items(items)
        told, attempt = self._settings, 0
        while True:
            remaining = self._remaining(deadline)
            try:
                call = Call(told.model, version, texts, outputs, remaining, class_count, pairs, told.background)
                answer: Answer = yield Send(call)
            except TritextError as error:
                chance = self._chance()
                pause = pause_before_retry(error, attempt, deadline - self._now(), self._backoff, chance)
                if pause is None:
                    raise
            else:
                return answer
            yield Pause(pause)
            attempt += 1

    def _labels_for(self, part: Part, deadline: float) -> Flow[tuple[str, ...]]:
        version = part.answer.model_version
        if version not in self._labels:
            yield Alone(self._learn(version, part.items[0], deadline), self._remaining(deadline))
        return self._labels[version]

    def _learn(self, version: str, item: Item, deadline: float) -> Flow[None]:
        """Ask for the label names of one version, with what has just been answered."""
        # The client's own version first, mostly none: a gateway may route the plain path only.
        for asked in (self._settings.version, version):
            if version in self._labels:
                return
            answer = yield from self._ask((item,), (SCORES,), asked, deadline, ALL_CLASSES)
            self._labels[answer.model_version] = self._read(parse_labels, answer)
        if version not in self._labels:
            raise InferenceFailed(f"{self._where}: asked version {version} for its labels, another one answered")

    def _read(self, reader: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return reader(*args, **kwargs)
        except InferenceFailed as error:  # the reader does not know whose answer it reads
            raise InferenceFailed(f"{self._where}: {error}") from error

    def _remaining(self, deadline: float) -> float:
        remaining = deadline - self._now()
        if remaining <= 0:
            raise DeadlineExceeded(f"{self._where}: the timeout has passed: {DeadlineExceeded.advice}")
        return remaining
