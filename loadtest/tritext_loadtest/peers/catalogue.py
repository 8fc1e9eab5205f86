"""Who is compared: each peer, what it is told, and in which settings. Pure data; commands are made in ``launch``."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from tritext_loadtest.peers.errors import BenchError
from tritext_loadtest.peers.routes import INFINITY, PADDED, Route, many, one

TORCH, PLAIN, OURS = "torch", "plain", "ours"
FORMS = {TORCH: "checkpoint, torch", PLAIN: "default int8", OURS: "our int8"}
GRID_BATCHES = (1, 8, 16, 32)


@dataclass(frozen=True, slots=True)
class Setting:
    """How wide a peer is.

    Attributes:
        workers: Processes that hold the model.
        threads: Threads of each; 0 for the library's own choice.
        batch: Most texts that it runs together; 1 for none.
    """

    workers: int
    threads: int
    batch: int

    def __str__(self) -> str:
        """Say it in few words."""
        threads = f"{self.threads} threads" if self.threads > 1 else "1 thread" if self.threads else "default threads"
        return f"{self.workers} × {threads}, batch {self.batch}"


@dataclass(frozen=True, slots=True)
class Peer:
    """A server to compare with.

    Attributes:
        name: Its name on the command line, and of its environment.
        title: Its name in tables.
        single: How it takes one text.
        batch: How it takes several texts in one request; None where it does not.
        documented: The setting of its own documentation.
        tuned: The setting that was best, unless a run tunes anew.
        batches: Sizes of batches worth trying; 1 alone where it forms none.
        has_workers: Whether it can run several processes.
        forms: Forms of the model that it can be given.
    """

    name: str
    title: str
    single: Route
    batch: Route | None
    documented: Setting
    tuned: Setting
    batches: tuple[int, ...] = GRID_BATCHES
    has_workers: bool = True
    forms: tuple[str, ...] = (TORCH, PLAIN, OURS)


PEERS = (
    Peer(
        "fastapi",
        "FastAPI + transformers",
        one("/predict"),
        many("/predict_batch"),
        documented=Setting(1, 0, 1),
        tuned=Setting(2, 1, 1),
        batches=(1,),
    ),
    Peer(
        "infinity",
        "infinity-emb",
        INFINITY,
        INFINITY,
        documented=Setting(1, 0, 32),
        tuned=Setting(1, 2, 16),
        has_workers=False,
    ),
    Peer("mosec", "mosec", one("/inference"), None, documented=Setting(1, 0, 16), tuned=Setting(2, 1, 16)),
    Peer("litserve", "LitServe", one("/predict"), None, documented=Setting(1, 0, 16), tuned=Setting(2, 1, 16)),
    Peer(
        "bentoml",
        "BentoML",
        many("/classify"),
        many("/classify"),
        documented=Setting(1, 0, 100),
        tuned=Setting(2, 1, 32),
    ),
    Peer(
        "triton",
        "Triton, padded to 128",
        PADDED,
        PADDED,
        documented=Setting(1, 0, 16),
        tuned=Setting(2, 1, 16),
        forms=(PLAIN, OURS),
    ),
)
QUICK = ("fastapi", "mosec", "triton")


@dataclass(frozen=True, slots=True)
class Contender:
    """A peer in one setting with one form of the model.

    Attributes:
        peer: Who.
        form: What it is given.
        setting: How wide it is.
        tuned: Whether the setting is its best one rather than its documentation's.
    """

    peer: Peer
    form: str
    setting: Setting
    tuned: bool

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"{self.peer.title}, {FORMS[self.form]}, {'tuned' if self.tuned else 'documented'}"


def choose(names: Sequence[str]) -> tuple[Peer, ...]:
    """Find peers by name.

    Raises:
        BenchError: there is none of that name.
    """
    known = {peer.name: peer for peer in PEERS}
    for name in names:
        if name not in known:
            raise BenchError(f"--peers {name}: no such peer; there are {', '.join(known)}")
    return tuple(known[name] for name in dict.fromkeys(names))


def contenders(peers: Sequence[Peer], quick: bool) -> list[Contender]:
    """List who takes part.

    Args:
        peers: The peers.
        quick: Whether the replaced service stands for all torch, and nothing else is in its documented setting.
    """
    found = []
    for peer in peers:
        base = peer.forms[0]
        if not quick or peer.name == "fastapi":
            found.append(Contender(peer, base, peer.documented, tuned=False))
        forms = [form for form in peer.forms if not quick or (form != TORCH and peer.name != "fastapi")]
        found += [Contender(peer, form, peer.tuned, tuned=True) for form in forms]
    return found


def grid(peer: Peer, cores: int) -> list[Setting]:
    """List the settings worth trying on a machine: one thread in each of many workers, or many threads in one."""
    widths = [(cores, 1), (1, cores)] if peer.has_workers else [(1, 1), (1, cores)]
    pairs = itertools.product(dict.fromkeys(widths), peer.batches)
    return [Setting(workers, threads, batch) for (workers, threads), batch in pairs]
