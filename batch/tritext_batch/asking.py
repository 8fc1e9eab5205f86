"""The model of a job on an event loop: what a client of it is made from, and the function that a scorer calls."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tritext import AsyncClient, Prediction
from tritext_batch.pacing import Patience, Window
from tritext_batch.requests import MOST_TEXTS
from tritext_batch.scoring import Note, Scorer
from tritext_batch.settings import read_key

# One request; a job waits for slow ones, and a server that hangs is found out.
REQUEST_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Asked:
    """Which model to ask and how. Holds no secret, so it may travel to other machines.

    Attributes:
        url: The server's.
        model: The front model's name.
        version: The version to ask; empty to let the server choose.
        key_file: File of the API key; None for the environment's.
        ca_file: Certificates to trust.
        max_in_flight: Most requests at once.
        patience: Seconds to wait for a server that is away or full.
    """

    url: str
    model: str
    version: str = ""
    key_file: Path | None = None
    ca_file: Path | None = None
    max_in_flight: int = 32
    patience: float = 300.0


@asynccontextmanager
async def open_scorer(asked: Asked, note: Note) -> AsyncIterator[Scorer]:
    """Connect to the model for as long as blocks are scored; belongs to the running event loop."""
    client = AsyncClient(
        asked.url,
        asked.model,
        version=asked.version or None,
        timeout=REQUEST_SECONDS,
        retries=0,  # the scorer tries again itself, for longer
        max_batch_size=MOST_TEXTS,
        api_key=read_key(asked.key_file),
        ca_file=asked.ca_file,
        background=True,  # online traffic comes first (docs/serving.md)
    )

    async def classify(texts: list[str]) -> Sequence[Prediction]:
        return await client.classify(texts)

    try:
        yield Scorer(classify, Window(most=asked.max_in_flight), Patience(asked.patience), note)
    finally:
        await client.close()
