"""What to compare, and how thoroughly."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tritext_loadtest.peers.catalogue import Peer
from tritext_loadtest.peers.environments import Workshop
from tritext_loadtest.peers.lineup import START_SECONDS


@dataclass(frozen=True, slots=True)
class BenchRequest:
    """What to compare, and how thoroughly.

    Attributes:
        repository: What tritext serves.
        name: The front's name in it.
        checkpoint: The same model as a whole checkpoint.
        texts: What every member is sent in every turn.
        singles: How many of them one by one; None for all.
        peers: Who is compared.
        workshop: Where environments are made.
        quick: Whether each form of the model runs in one setting only.
        rounds: Turns of each member.
        tune: Whether the grids of settings are tried first.
        latency_seconds: Length of each load at a share of saturation; 0 for none.
        start_seconds: How long a server may take to start.
        seed: Of the order.
    """

    repository: Path
    name: str
    checkpoint: Path
    texts: Sequence[str]
    peers: Sequence[Peer]
    workshop: Workshop
    quick: bool = False
    rounds: int = 6
    singles: int | None = None
    tune: bool = False
    latency_seconds: float = 0.0
    start_seconds: float = START_SECONDS
    seed: int = 1
