"""What a comparison is going to do: a request in, the stages of its course out."""

from tritext_loadtest.course import Stage
from tritext_loadtest.peers.arrivals import SHARES
from tritext_loadtest.peers.catalogue import contenders
from tritext_loadtest.peers.comparison import WARM_UP_TEXTS
from tritext_loadtest.peers.request import BenchRequest
from tritext_loadtest.peers.targets import BATCH, SINGLE
from tritext_loadtest.peers.tuning import to_try

PREPARE, TUNE, START, WARM_UP, ROUNDS, LATENCY = "prepare", "tune", "start", "warm up", "rounds", "latency"
# Guesses in seconds, of two cores: what has been installed before, a start with its trial, a start.
PREPARING, TRYING, STARTING = 3.0, 15.0, 8.0
TEXTS_PER_SECOND = 150.0
SHAPES = len((SINGLE, BATCH))
# tritext by gRPC and by REST; and the engine, which is no server.
OWN_WAYS, ENGINES = 2, 1


def stages(request: BenchRequest, cores: int) -> list[Stage]:
    """List the stages, if all goes well; who fails makes them shorter.

    Args:
        request: What is to be done.
        cores: Of this machine.
    """
    members = contenders(request.peers, request.quick)
    turns = SHAPES * (OWN_WAYS + ENGINES) + sum(SHAPES if one.peer.batch else 1 for one in members)
    tried = sum(len(to_try(peer, cores)) for peer in request.peers) if request.tune else 0
    measured = len(SHARES) * (OWN_WAYS + len(members)) if request.latency_seconds else 0
    return [
        Stage(PREPARE, 3 + len(request.peers), PREPARING),
        Stage(TUNE, tried, TRYING),
        Stage(START, 2 + len(members), STARTING),
        Stage(WARM_UP, turns, WARM_UP_TEXTS / TEXTS_PER_SECOND),
        Stage(ROUNDS, turns * request.rounds, len(request.texts) / TEXTS_PER_SECOND),
        Stage(LATENCY, measured, request.latency_seconds),
    ]
