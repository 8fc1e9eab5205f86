"""How many instances and threads: the cores that may be used in, counts out. Pure but for the readings at the end."""

import math
import os
from dataclasses import dataclass
from pathlib import Path

# Each instance holds the weights once more, so past this many the threads grow instead.
MAX_INSTANCES = 8
_CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")


@dataclass(frozen=True, slots=True)
class Sizing:
    """Processes and threads of one model.

    Attributes:
        instances: Processes, each with the weights of its own.
        threads: Threads inside an operator of one instance.
    """

    instances: int
    threads: int


def size(cores: int, instances: int | None = None, threads: int | None = None) -> Sizing:
    """Choose counts for a number of cores: one thread an instance, an instance a core, as far as memory allows.

    Two threads in one session cost half as much CPU again as two sessions of one thread (docs/performance.md).

    Args:
        cores: Cores that may be used.
        instances: The user's own count, which wins.
        threads: The user's own count, which wins.
    """
    chosen = instances or max(1, min(cores, MAX_INSTANCES))
    return Sizing(chosen, threads or max(1, cores // chosen))


def usable_cores(affinity: int, quota: str | None) -> int:
    """Count the cores a process may use.

    Args:
        affinity: Cores in its CPU set.
        quota: The line in its control group's ``cpu.max`` ("MAX PERIOD", or "max PERIOD" for none).
    """
    limit, _, period = (quota or "max").partition(" ")
    if limit == "max":
        return max(1, affinity)
    return max(1, min(affinity, math.ceil(int(limit) / int(period))))


def count_cores() -> int:
    """Count the cores that this process may use, by its CPU set and its control group."""
    quota = _CGROUP_QUOTA.read_text(encoding="ascii").strip() if _CGROUP_QUOTA.is_file() else None
    return usable_cores(len(os.sched_getaffinity(0)), quota)
