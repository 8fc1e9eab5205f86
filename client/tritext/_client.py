"""The client for threads: performs the steps that a conversation asks for, by blocking."""

import threading
import time
from collections.abc import Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Any, Self, TypeVar, overload

from tritext._base import BaseClient
from tritext._conversation import Alone, Flow, Pause, Probe, Send, Step, Together
from tritext._errors import TritextError
from tritext._prediction import Prediction
from tritext._transports import connect
from tritext._transports.base import Transport

T = TypeVar("T")


class Client(BaseClient[Transport]):
    """Classifies texts with a served model. One client may be used by many threads at once.

    Example:
        >>> with Client("grpc://127.0.0.1:8001", "sentiment") as client:  # doctest: +SKIP
        ...     client.classify("I love it").label
        'positive'
    """

    @overload
    def classify(  # type: ignore[overload-overlap]  # a str is an iterable of str too, and means one text
        self, texts: str, *, pairs: str | None = None, timeout: float | None = None, scores: bool = False
    ) -> Prediction: ...

    @overload
    def classify(
        self,
        texts: Iterable[str],
        *,
        pairs: Iterable[str] | None = None,
        timeout: float | None = None,
        scores: bool = False,
    ) -> list[Prediction]: ...

    def classify(
        self,
        texts: str | Iterable[str],
        *,
        pairs: str | Iterable[str] | None = None,
        timeout: float | None = None,
        scores: bool = False,
    ) -> Prediction | list[Prediction]:
        """Classify one text, or many, or pairs of texts.

        Args:
            texts: A str, or any number of them; empty ones are allowed.
            pairs: The second text, where the model reads two at a time: a str with a str, otherwise one for each text.
            timeout: Seconds for the whole call; None for the client's own.
            scores: Whether to fetch the probability of every label too.

        Returns:
            For a str its prediction; otherwise a list with one prediction for each text, in the order of the texts.

        Raises:
            InvalidInput: a text cannot be sent; nothing was.
            TritextError: one of its kinds; no text's prediction is returned then.
        """
        if isinstance(texts, str):
            return self._run(self._classify(texts, pairs, timeout, scores))[0]
        return self._run(self._classify(texts, pairs, timeout, scores))

    def ready(self, timeout: float | None = None) -> bool:
        """Ask whether the model takes requests; False too where the server cannot be reached."""
        return self._run(self._conversation.ready(self._seconds(timeout)))

    def wait_until_ready(self, timeout: float = 60.0) -> None:
        """Wait for the model to take requests.

        Raises:
            DeadlineExceeded: it does not within ``timeout`` seconds.
        """
        self._run(self._conversation.wait_until_ready(self._seconds(timeout)))

    def close(self) -> None:
        """Close the connections; the client cannot be used afterwards."""
        self._closed = True
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self, transport: Transport | None) -> None:
        self._transport = connect(self._settings.endpoint) if transport is None else transport
        self._learning = threading.Lock()

    def _run(self, flow: Flow[T]) -> T:
        self._require_open()
        try:
            step = next(flow)
            while True:
                try:
                    result = self._perform(step)
                except TritextError as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(result)
        except StopIteration as stop:
            answer: T = stop.value
            return answer

    def _perform(self, step: Step) -> Any:
        match step:
            case Send():
                return self._transport.infer(step.call)
            case Probe():
                return self._transport.ready(step.model, step.version, step.timeout)
            case Pause():
                return time.sleep(step.seconds)
            case Together():
                return self._together(step)
            case Alone():
                return self._alone(step)

    def _together(self, step: Together) -> list[Any]:
        pool = ThreadPoolExecutor(min(step.width, len(step.flows)), thread_name_prefix="tritext")
        try:
            futures = [pool.submit(self._run, flow) for flow in step.flows]
            done, late = wait(futures, step.timeout, FIRST_EXCEPTION)
            for future in futures:
                if future in done:
                    future.result()  # raises what the chunk failed with
            if late:
                raise self._late()
            return [future.result() for future in futures]
        finally:  # after a failure nobody waits for the rest; their own deadlines end those in flight
            pool.shutdown(wait=False, cancel_futures=True)

    def _alone(self, step: Alone) -> Any:
        if not self._learning.acquire(timeout=step.timeout):
            raise self._late()
        try:
            return self._run(step.flow)
        finally:
            self._learning.release()
