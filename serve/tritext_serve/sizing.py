"""How many instances, threads and waiting requests: the cores that may be used in, counts out. Pure but for the end."""

import math
import os
from dataclasses import dataclass
from pathlib import Path

# Each instance holds the weights once more, so past this many the threads grow instead.
MAX_INSTANCES = 8
# Texts are read and answered by one Python thread a process at a time: some 0.2 ms of the 2 ms that a short text takes.
MAX_LANES = 8
# Behind this many requests for each core an answer takes two to three times as long as under good load
# (docs/performance.md). As many clients that wait for each answer are never refused.
LEAST_QUEUE, QUEUE_PER_CORE = 20, 10
_CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")


@dataclass(frozen=True, slots=True)
class Sizing:
    """Processes and threads of one model.

    Attributes:
        instances: Processes, each with the weights of its own.
        threads: Threads of one instance's engine: inside an operator where it is a model of its own, sub-batches at
            once where it runs in the front's process.
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


def size_in_process(cores: int, instances: int | None = None, threads: int | None = None) -> Sizing:
    """Choose counts for a front that runs the engine itself: one process, which sees the whole queue, as far as it can.

    The weights are shared by the threads of a process, and a plan for more texts pads less.

    Args:
        cores: Cores that may be used.
        instances: The user's own count of processes, which wins.
        threads: The user's own count of sub-batches at once, which wins.
    """
    chosen = instances or max(1, math.ceil(cores / MAX_LANES))
    return Sizing(chosen, threads or max(1, cores // chosen))


def queue_size(cores: int) -> int:
    """Choose how many requests may wait: a longer queue would only turn rejections into late answers."""
    return max(LEAST_QUEUE, QUEUE_PER_CORE * cores)


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
