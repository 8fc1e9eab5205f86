"""What the sync and the async client have in common: their arguments, and the flow that a call becomes."""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Generic, TypeVar

from tritext._conversation import Conversation, Flow
from tritext._errors import ConfigurationError, DeadlineExceeded
from tritext._prediction import Prediction
from tritext._protocol import check_items
from tritext._settings import Settings, check_timeout, endpoint, model_name

T = TypeVar("T")


class BaseClient(ABC, Generic[T]):
    """What it was told, what it has learnt, and whether it is still open."""

    def __init__(  # noqa: PLR0913 - the whole surface, each with a default
        self,
        url: str | None = None,
        model: str | None = None,
        *,
        version: str | int | None = None,
        timeout: float = 5.0,
        retries: int = 3,
        max_batch_size: int = 32,
        concurrency: int = 4,
        api_key: str | None = None,
        ca_file: str | os.PathLike[str] | None = None,
        background: bool = False,
        transport: T | None = None,
    ) -> None:
        """Check the arguments; nothing is sent yet.

        Args:
            url: ``grpc://host:port``, ``http://host:port``, or ``grpcs``/``https`` for TLS. Default: ``TRITEXT_URL``,
                then ``grpc://127.0.0.1:8001``.
            model: Name of the model. Default: ``TRITEXT_MODEL``, then ``sentiment``.
            version: Version of the model; None to let the server choose.
            timeout: Seconds for a whole call, its retries and all its texts included; a call may give its own.
            retries: How many times a request is sent again when the server is full or cannot be reached.
            max_batch_size: The most texts in one request. Longer lists are cut into chunks of so many; where the model
                takes fewer, the client learns that from the server's refusal and cuts again.
            concurrency: The most chunks of one call in flight.
            api_key: Sent as ``Authorization: Bearer …``. Default: ``TRITEXT_API_KEY``.
            ca_file: PEM file of the certificates to trust, instead of the system's.
            background: Whether the server answers others first, whose requests do not say this (docs/serving.md).
            transport: Another way to reach the server; for tests.

        Raises:
            ConfigurationError: an argument or a variable cannot be used.
        """
        where, chosen = endpoint(url, api_key, ca_file), "" if version is None else str(version)
        told = Settings(where, model_name(model), chosen, timeout, retries, max_batch_size, concurrency, background)
        self._settings, self._conversation, self._closed = told, Conversation(told), False
        self._start(transport)

    @abstractmethod
    def _start(self, transport: T | None) -> None:
        """Keep the transport, or open one; make what the steps need."""

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {self._settings.endpoint.describe(self._settings.model, self._settings.version)}>"
        )

    def _classify(
        self, texts: str | Iterable[str], pairs: str | Iterable[str] | None, timeout: float | None, scores: bool
    ) -> Flow[list[Prediction]]:
        return self._conversation.classify(check_items(texts, pairs), self._seconds(timeout), scores)

    def _seconds(self, timeout: float | None) -> float:
        return self._settings.timeout if timeout is None else check_timeout(timeout)

    def _require_open(self) -> None:
        if self._closed:
            raise ConfigurationError(f"{self!r} is closed: make a new one")

    def _late(self) -> DeadlineExceeded:
        return DeadlineExceeded(f"{self!r}: the timeout has passed: {DeadlineExceeded.advice}")
