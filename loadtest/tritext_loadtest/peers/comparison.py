"""Rounds: targets and texts in, every target's takes out. In each round everybody has a turn, in a shuffled order.

A neighbour's noise then falls on all of them alike, and figures of one round can be divided by each other.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tritext_loadtest.load import Shape
from tritext_loadtest.peers.errors import PeerError
from tritext_loadtest.peers.targets import Take, Target

WARM_UP_TEXTS = 64


@dataclass(frozen=True, slots=True)
class Turn:
    """A target under a shape of load.

    Attributes:
        target: Who.
        shape: How it is asked.
    """

    target: Target
    shape: Shape


@dataclass(slots=True)
class Outcome:
    """What a comparison led to.

    Attributes:
        takes: Of each turn, one a round; only of those who answered in every round.
        failures: Why others did not, by name.
    """

    takes: dict[tuple[str, Shape], list[Take]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


def compare(
    targets: Sequence[Target],
    texts: Sequence[str],
    rounds: int,
    seed: int,
    tell: Callable[[str], None] = lambda _: None,
    singles: int | None = None,
) -> Outcome:
    """Measure every target under every shape that it takes, once a round.

    Args:
        targets: Who takes part; whoever fails once takes no more turns.
        texts: What each is sent, all of them in every turn.
        rounds: How often.
        seed: Of the order.
        tell: Is told whose turn it is.
        singles: How many of the texts a turn sends that sends them one by one; None for all. Requests of many texts
            need more of them until every client has sent a few.
    """
    turns = [Turn(target, shape) for target in targets for shape in target.shapes]
    outcome = Outcome({(turn.target.name, turn.shape): [] for turn in turns})
    for turn in turns:
        tell(f"warming up {turn.target.name}, {turn.shape}")
        _take(turn, texts[:WARM_UP_TEXTS], outcome)
    order = random.Random(seed)  # noqa: S311  # nothing secret
    for number in range(1, rounds + 1):
        for turn in order.sample(turns, len(turns)):
            tell(f"round {number} of {rounds}: {turn.target.name}, {turn.shape}")
            take = _take(turn, texts[:singles] if turn.shape.texts_per_request == 1 else texts, outcome)
            if take is not None:
                outcome.takes[turn.target.name, turn.shape].append(take)
    outcome.takes = {key: takes for key, takes in outcome.takes.items() if key[0] not in outcome.failures}
    return outcome


def _take(turn: Turn, texts: Sequence[str], outcome: Outcome) -> Take | None:
    if turn.target.name in outcome.failures:
        return None
    try:
        return turn.target.take(texts, turn.shape)
    except PeerError as error:
        outcome.failures[turn.target.name] = str(error)
        return None
