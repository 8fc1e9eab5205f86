"""Sub-batches of token ids in, logits out, several at once where the classifier may be called so.

Whoever computes them hides behind one function: a session in this process, whose ``run`` lets go of Python's lock
while it computes, or another model of the server. One session serves all lanes, so the weights lie in memory once.
"""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tritext_serve.front.answers import FloatArray
from tritext_serve.front.niceness import step_back
from tritext_serve.front.tokens import IdArray

SubBatch = Sequence[IdArray]
RunClassifier = Callable[[SubBatch], FloatArray]


class ClassifierError(RuntimeError):
    """The classifier did not answer one sub-batch; the message is its own."""


Logits = FloatArray | ClassifierError


class Classifiers(Protocol):
    """What the pipeline needs of whoever runs its sub-batches."""

    @property
    def lanes(self) -> int:
        """How many sub-batches run at once."""

    def run(self, batches: Sequence[SubBatch]) -> Sequence[Logits]:
        """Give each sub-batch its logits, FP32 [texts, labels], or the error that is its texts' answer."""


@dataclass(frozen=True, slots=True)
class _Round:
    """Sub-batches that are run together, and what has become of them."""

    batches: Sequence[SubBatch]
    answers: list[Logits]
    places: Iterator[int]
    failures: list[BaseException] = field(default_factory=list)
    done: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))


class Lanes:
    """Runs sub-batches on a fixed number of threads, of which the caller's own is one."""

    def __init__(self, call: RunClassifier, lanes: int = 1) -> None:
        """Start the threads; they end with the process.

        Args:
            call: Classifies one sub-batch, arrays INT64 [texts, tokens] in the model's order; raises ClassifierError.
                With several lanes it is called from several threads at once.
            lanes: How many sub-batches may run at once, 1 or more.
        """
        self._call = call
        self._lanes = lanes
        self._rounds: queue.SimpleQueue[_Round] = queue.SimpleQueue()
        for number in range(1, lanes):
            threading.Thread(target=self._serve, name=f"lane-{number}", daemon=True).start()

    @property
    def lanes(self) -> int:
        """How many sub-batches run at once."""
        return self._lanes

    def run(self, batches: Sequence[SubBatch]) -> Sequence[Logits]:
        """Run sub-batches in their order, each on the next lane that is free.

        Returns:
            For each its logits, FP32 [texts, labels], or its error.
        """
        if self._lanes == 1 or len(batches) < 2:
            return [self._answer(batch) for batch in batches]
        unanswered = ClassifierError("the sub-batch was not run")
        together = _Round(batches, [unanswered] * len(batches), iter(range(len(batches))))
        helpers = min(self._lanes, len(batches)) - 1
        for _ in range(helpers):
            self._rounds.put(together)
        self._work(together)
        for _ in range(helpers):
            together.done.acquire()
        if together.failures:
            raise together.failures[0]
        return together.answers

    def _serve(self) -> None:
        step_back()
        while True:
            together = self._rounds.get()
            try:
                self._work(together)
            except BaseException as error:  # it belongs to the caller, who waits for this lane
                together.failures.append(error)
            together.done.release()

    def _work(self, together: _Round) -> None:
        """Take one sub-batch after another; a range's iterator hands each place out once, whoever asks."""
        for place in together.places:
            together.answers[place] = self._answer(together.batches[place])

    def _answer(self, batch: SubBatch) -> Logits:
        try:
            return self._call(batch)
        except ClassifierError as error:
            return error
