"""Objectives: a TOML file and a scenario in, limits out; limits and figures in, a check of each out.

::

    label_mismatch = 0        # for every scenario
    error_rate = 0.001
    p99_ms = 250

    [spike]                   # for this one instead, or besides
    rejected_share = 0.3
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tritext_loadtest.errors import SLOError, in_words
from tritext_loadtest.scenarios import SCENARIOS


@dataclass(frozen=True, slots=True)
class Objective:
    """Something that may be limited.

    Attributes:
        what: It in words.
        unit: Of its figure.
        highest: The largest limit that means anything.
    """

    what: str
    unit: str = ""
    highest: float = float("inf")


OBJECTIVES: Mapping[str, Objective] = {
    "p50_ms": Objective("median latency of answered requests", "ms"),
    "p95_ms": Objective("95th percentile of their latency", "ms"),
    "p99_ms": Objective("99th percentile of their latency", "ms"),
    "error_rate": Objective("share of requests that failed, came too late or could not be sent", highest=1.0),
    "rejected_share": Objective("share of requests that the server refused for being full", highest=1.0),
    "label_mismatch": Objective("answers with another label than expected"),
    "rss_slope_mib_per_100k": Objective("growth of a server process's resident memory", "MiB per 100,000 texts"),
}
# A wrong label is never right, whatever else is asked for.
DEFAULT: Mapping[str, float] = {"label_mismatch": 0.0}


@dataclass(frozen=True, slots=True)
class Check:
    """One objective held against its figure.

    Attributes:
        name: The objective's.
        limit: What it may be at most.
        value: What it is; None where it could not be measured, which does not hold.
    """

    name: str
    limit: float
    value: float | None

    @property
    def holds(self) -> bool:
        """Whether the figure is within the limit."""
        return self.value is not None and self.value <= self.limit

    def __str__(self) -> str:
        """Say it in one line."""
        if self.value is None:
            return f"{self.name} ≤ {self.limit:g}: not measured"
        return f"{self.name} {shown(self.value)} {'≤' if self.holds else '>'} {self.limit:g}"


def shown(value: float) -> str:
    """Write a figure with four digits, a large one whole."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def read_slo(path: Path, scenario: str) -> dict[str, float]:
    """Read the limits for a scenario; those that always hold included.

    Raises:
        SLOError: the file cannot be read, or holds a name or a value that means nothing; also those of other scenarios.
    """
    try:
        with path.open("rb") as file:
            document = tomllib.load(file)
    except (OSError, ValueError) as error:
        raise SLOError(f"{path}: {in_words(error)}: give a TOML file with lines such as `p99_ms = 250`") from error
    tables = {key: value for key, value in document.items() if isinstance(value, dict)}
    for name in tables:
        if name not in SCENARIOS:
            raise SLOError(f"{path}: unknown scenario [{name}]: known are {', '.join(SCENARIOS)}")
    common = {key: value for key, value in document.items() if key not in tables}
    limits = {name: _limits(path, table) for name, table in {"": common, **tables}.items()}
    return {**DEFAULT, **limits[""], **limits.get(scenario, {})}


def check(limits: Mapping[str, float], figures: Mapping[str, float | None]) -> tuple[Check, ...]:
    """Hold figures against limits, in the order of the objectives."""
    return tuple(Check(name, limits[name], figures.get(name)) for name in OBJECTIVES if name in limits)


def _limits(path: Path, table: Mapping[str, Any]) -> dict[str, float]:
    for name, value in table.items():
        if name not in OBJECTIVES:
            raise SLOError(f"{path}: unknown field `{name}`: known are {', '.join(OBJECTIVES)}")
        highest = OBJECTIVES[name].highest
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= highest:
            least = "a number of 0 or more" if highest == float("inf") else f"a number from 0 to {highest:g}"
            raise SLOError(f"{path}: {name} = {value!r}: give {least}")
    return {name: float(value) for name, value in table.items()}
