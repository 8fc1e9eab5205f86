"""The client for an event loop: performs the steps that a conversation asks for, by awaiting."""

import asyncio
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self, TypeVar, overload

from tritext._base import BaseClient
from tritext._conversation import Alone, Flow, Pause, Probe, Send, Step, Together
from tritext._errors import TritextError
from tritext._prediction import Prediction
from tritext._transports import connect_async
from tritext._transports.base import AsyncTransport

T = TypeVar("T")


class AsyncClient(BaseClient[AsyncTransport]):
    """Classifies texts with a served model. One client belongs to the event loop that it is first used in.

    Example:
        >>> async with AsyncClient("http://127.0.0.1:8000", "sentiment") as client:  # doctest: +SKIP
        ...     (await client.classify("I love it")).label
        'positive'
    """

    @overload
    async def classify(  # type: ignore[overload-overlap]  # a str is an iterable of str too, and means one text
        self, texts: str, *, pairs: str | None = None, timeout: float | None = None, scores: bool = False
    ) -> Prediction: ...

    @overload
    async def classify(
        self,
        texts: Iterable[str],
        *,
        pairs: Iterable[str] | None = None,
        timeout: float | None = None,
        scores: bool = False,
    ) -> list[Prediction]: ...

    async def classify(
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
            return (await self._run(self._classify(texts, pairs, timeout, scores)))[0]
        return await self._run(self._classify(texts, pairs, timeout, scores))

    async def ready(self, timeout: float | None = None) -> bool:
        """Ask whether the model takes requests; False too where the server cannot be reached."""
        return await self._run(self._conversation.ready(self._seconds(timeout)))

    async def wait_until_ready(self, timeout: float = 60.0) -> None:
        """Wait for the model to take requests.

        Raises:
            DeadlineExceeded: it does not within ``timeout`` seconds.
        """
        await self._run(self._conversation.wait_until_ready(self._seconds(timeout)))

    async def close(self) -> None:
        """Close the connections; the client cannot be used afterwards."""
        self._closed = True
        if self._transport is not None:
            await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _start(self, transport: AsyncTransport | None) -> None:
        self._transport = transport  # a new one is opened at the first use: gRPC binds it to the running loop
        self._learning = asyncio.Lock()

    def _opened(self) -> AsyncTransport:
        if self._transport is None:
            self._transport = connect_async(self._settings.endpoint)
        return self._transport

    async def _run(self, flow: Flow[T]) -> T:
        self._require_open()
        transport = self._opened()
        try:
            step = next(flow)
            while True:
                try:
                    result = await self._perform(step, transport)
                except TritextError as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(result)
        except StopIteration as stop:
            answer: T = stop.value
            return answer

    async def _perform(self, step: Step, transport: AsyncTransport) -> Any:
        match step:
            case Send():
                return await transport.infer(step.call)
            case Probe():
                return await transport.ready(step.model, step.version, step.timeout)
            case Pause():
                return await asyncio.sleep(step.seconds)
            case Together():
                return await self._together(step)
            case Alone():
                return await self._alone(step)

    async def _together(self, step: Together) -> list[Any]:
        gate = asyncio.Semaphore(step.width)

        async def pass_gate(flow: Flow[Any]) -> Any:
            async with gate:
                return await self._run(flow)

        tasks = [asyncio.create_task(pass_gate(flow)) for flow in step.flows]
        try:
            async with asyncio.timeout(step.timeout):
                return await asyncio.gather(*tasks)
        except TimeoutError as error:
            raise self._late() from error
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _alone(self, step: Alone) -> Any:
        try:
            async with asyncio.timeout(step.timeout), self._learning:
                return await self._run(step.flow)
        except TimeoutError as error:
            raise self._late() from error
