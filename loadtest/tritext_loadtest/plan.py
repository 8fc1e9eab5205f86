"""What the processes that make the load are told: one JSON file, written by the command, read by each of them."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from tritext_loadtest.expectations import Expected
from tritext_loadtest.scenarios import Phase
from tritext_loadtest.schedule import Arrival, Draw, arrivals
from tritext_loadtest.texts import Item

PLAN_FILE = "plan.json"


@dataclass(frozen=True, slots=True)
class Plan:
    """A run.

    Attributes:
        scenario: Its name.
        urls: Where requests go, in turn.
        model: The front's name.
        phases: The rate over time.
        draw: What requests hold.
        seed: Of the schedule.
        items: The texts, the usual ones first.
        expected: What each of them is expected to get.
        timeout: Seconds for a request.
        in_flight: The most requests that one process has open.
        processes: How many share the schedule.
    """

    scenario: str
    urls: tuple[str, ...]
    model: str
    phases: tuple[Phase, ...]
    draw: Draw
    seed: int
    items: tuple[Item, ...]
    expected: tuple[Expected, ...]
    timeout: float
    in_flight: int
    processes: int

    @property
    def seconds(self) -> float:
        """How long requests are sent."""
        return sum(phase.seconds for phase in self.phases)

    def share(self, index: int) -> Iterator[Arrival]:
        """Give the requests that one of the processes sends: every ``processes``-th one."""
        return islice(arrivals(self.phases, self.draw, self.seed), index, None, self.processes)

    def write(self, folder: Path) -> None:
        """Write it to a folder."""
        (folder / PLAN_FILE).write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "Plan":
        """Read what ``write`` wrote."""
        stored: dict[str, Any] = json.loads((folder / PLAN_FILE).read_text(encoding="utf-8"))
        draw = stored["draw"]
        draw["batches"] = tuple((count, share) for count, share in draw["batches"])
        return cls(
            **stored
            | {
                "urls": tuple(stored["urls"]),
                "phases": tuple(Phase(**phase) for phase in stored["phases"]),
                "draw": Draw(**draw),
                "items": tuple(Item(**item) for item in stored["items"]),
                "expected": tuple(Expected(**expected) for expected in stored["expected"]),
            }
        )
