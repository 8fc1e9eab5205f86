"""`pytest -n 2`: every file is one lane, which one worker runs from its first test to its last.

So a file's module fixtures are set up once, as in a run of one process. Lanes that take long come first, so that the
short ones at the end let both workers stop at about the same time.
"""

from collections import defaultdict
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

# Folders that are one lane as a whole, since what their tests share takes minutes: images in a Docker engine.
WHOLE = ("tests/deploy/",)
Rank = tuple[float, bool, bool]


class Lanes(LoadScopeScheduling):  # type: ignore[misc]
    """Gives a worker that has little left to do the next lane."""

    def __init__(self, config: pytest.Config, log: Any) -> None:
        config.option.loadscopereorder = False  # keep the order that the workers found: `longest_first`
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return lane(nodeid)


def lane(nodeid: str) -> str:
    """Name the lane of a test."""
    return next((folder for folder in WHOLE if nodeid.startswith(folder)), nodeid.split("::", 1)[0])


def longest_first(items: list[pytest.Item]) -> None:
    """Sort tests by what their marks say about the longest of their lane: the time-out, then `slow`, then `e2e`."""
    ranks: dict[str, Rank] = defaultdict(lambda: (0.0, False, False))
    for item in items:
        ranks[lane(item.nodeid)] = max(ranks[lane(item.nodeid)], _rank(item))
    items.sort(key=lambda item: ranks[lane(item.nodeid)], reverse=True)


def _rank(item: pytest.Item) -> Rank:
    own = item.get_closest_marker("timeout")
    seconds = float(own.args[0]) if own is not None else 0.0
    return seconds, item.get_closest_marker("slow") is not None, item.get_closest_marker("e2e") is not None
