"""The seam: a frozen ``Call`` goes in, an ``Answer`` of arrays comes out, or an error of ``tritext._errors``.

A transport sends one request once. It never splits, retries, or knows what a label is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.generic]
else:
    Array = Any  # numpy is half of the import time, and only the transports need it


@dataclass(frozen=True, slots=True)
class Call:
    """One inference request.

    Attributes:
        model: The model's name.
        version: Its version; empty to let the server choose.
        texts: The n texts, sent as input ``text``, BYTES [n, 1].
        outputs: The names of the outputs wanted; the server computes and returns no others.
        timeout: Seconds until nobody waits for the answer any more.
        class_count: If not 0, ask for each output as this many "value:index:label" strings, best first (Triton's
            classification extension), instead of as numbers.
        pairs: The n second texts, sent as input ``text_pair``; none where the model reads one text at a time.
        background: Whether the server answers others first.
    """

    model: str
    version: str
    texts: tuple[str, ...]
    outputs: tuple[str, ...]
    timeout: float
    class_count: int = 0
    pairs: tuple[str, ...] = ()
    background: bool = False

    @property
    def inputs(self) -> dict[str, tuple[str, ...]]:
        """The input tensors by name, each BYTES [n, 1]."""
        return {"text": self.texts, "text_pair": self.pairs} if self.pairs else {"text": self.texts}

    @property
    def parameters(self) -> dict[str, bool]:
        """The request's own parameters."""
        return {"background": True} if self.background else {}


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What came back.

    Attributes:
        model_version: The version of the model that answered.
        arrays: By output name, shape [n, …]; BYTES as objects of type ``bytes``.
    """

    model_version: str
    arrays: Mapping[str, Array]


class Transport(Protocol):
    """What a client needs of a connection; its methods may be called from many threads at once."""

    def infer(self, call: Call) -> Answer:
        """Send one request and wait for its answer, for ``call.timeout`` seconds at most."""

    def ready(self, model: str, version: str, timeout: float) -> bool:
        """Ask whether the model takes requests."""

    def close(self) -> None:
        """Close the connections."""


class AsyncTransport(Protocol):
    """The same for one event loop."""

    async def infer(self, call: Call) -> Answer:
        """Send one request and wait for its answer, for ``call.timeout`` seconds at most."""

    async def ready(self, model: str, version: str, timeout: float) -> bool:
        """Ask whether the model takes requests."""

    async def close(self) -> None:
        """Close the connections."""
