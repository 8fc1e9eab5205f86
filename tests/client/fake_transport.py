"""A model without a network: ``FakeTransport`` answers calls as a front model on Triton would, and keeps a record.

The label of a text is decided by its length, so a test can tell which answer belongs to which text.
"""

import asyncio
import threading
import time
from collections.abc import Iterable

import numpy as np

from tritext._errors import BatchTooLarge, TritextError
from tritext._transports.base import Answer, Array, Call

LABELS = ("negative", "so: so", "positive")


def label_id(text: str) -> int:
    """The label that the fake model gives a text."""
    return len(text) % len(LABELS)


def label(text: str) -> str:
    """Its name."""
    return LABELS[label_id(text)]


def arrays(call: Call, labels: tuple[str, ...] = LABELS) -> dict[str, Array]:
    """The outputs that a call asks for."""
    ids = np.array([[label_id(text)] for text in call.texts], np.int32)
    scores = np.full((len(call.texts), len(labels)), 0.125, np.float32)
    scores[np.arange(len(call.texts)), ids[:, 0] % len(labels)] = 0.75
    outputs: dict[str, Array] = {
        "label_id": ids,
        "score": scores.max(axis=1, keepdims=True),
        "scores": scores,
        "tokens": np.array([[len(text)] for text in call.texts], np.int32),
        "truncated": np.array([[len(text) > 20] for text in call.texts], np.bool_),
    }
    if call.class_count:
        outputs["scores"] = classes(scores[0], labels)
    return {name: outputs[name] for name in call.outputs}


def classes(scores: Array, labels: tuple[str, ...]) -> Array:
    """What the classification extension makes of one row of scores: best first, BYTES [1, labels]."""
    order = np.argsort(-scores)
    entries = [f"{scores[i]:f}:{i}" + (f":{labels[i]}" if labels[i] else "") for i in order]
    return np.array([[entry.encode() for entry in entries]], np.object_)


class FakeTransport:
    """A server that fits in a test.

    Args:
        limit: The most texts it takes in a request.
        labels: The names it gives its labels; an empty name is one that it does not know.
        version: The version that answers, unless a call names another.
        errors: Raised one after the other by the next calls, before any is answered.
        delay: Seconds that every call takes.
    """

    def __init__(
        self,
        limit: int = 1000,
        labels: tuple[str, ...] = LABELS,
        version: str = "1",
        errors: Iterable[TritextError] = (),
        delay: float = 0.0,
    ) -> None:
        self.limit = limit
        self.labels = labels
        self.version = version
        self.delay = delay
        self.is_ready = True
        self.closed = False
        self.calls: list[Call] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self._errors = list(errors)
        self._lock = threading.Lock()

    @property
    def batches(self) -> list[int]:
        """How many texts each call held that was for predictions."""
        return [len(call.texts) for call in self.calls if not call.class_count]

    @property
    def label_calls(self) -> list[Call]:
        """The calls that asked for label names."""
        return [call for call in self.calls if call.class_count]

    def infer(self, call: Call) -> Answer:
        """Answer one call."""
        self._arrive(call)
        try:
            time.sleep(self.delay)
            return self.answer(call)
        finally:
            self._leave()

    def ready(self, model: str, version: str, timeout: float) -> bool:
        """Say what the test has set."""
        self._raise_next()
        return self.is_ready

    def close(self) -> None:
        """Remember it."""
        self.closed = True

    def answer(self, call: Call) -> Answer:
        """What a server would answer."""
        self._raise_next()
        if len(call.texts) > self.limit:
            raise BatchTooLarge(f"inference request batch-size must be <= {self.limit} for 'sentiment'", self.limit)
        return Answer(call.version or self.version, arrays(call, self.labels))

    def _raise_next(self) -> None:
        with self._lock:
            error = self._errors.pop(0) if self._errors else None
        if error is not None:
            raise error

    def _arrive(self, call: Call) -> None:
        with self._lock:
            self.calls.append(call)
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)

    def _leave(self) -> None:
        with self._lock:
            self.in_flight -= 1


class FakeAsyncTransport:
    """The same server for an event loop."""

    def __init__(self, server: FakeTransport) -> None:
        self.server = server

    async def infer(self, call: Call) -> Answer:
        """Answer one call."""
        self.server._arrive(call)
        try:
            await asyncio.sleep(self.server.delay)
            return self.server.answer(call)
        finally:
            self.server._leave()

    async def ready(self, model: str, version: str, timeout: float) -> bool:
        """Say what the test has set."""
        return self.server.ready(model, version, timeout)

    async def close(self) -> None:
        """Remember it."""
        self.server.close()
