"""How many cores this process may use: a CPU set and a control group's quota in, a count out.

``tritext serve`` counts alike, so that what is measured here is sized as it would be there.
"""

import math
import os
from pathlib import Path

_CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def count_cores() -> int:
    """Count the cores that this process may use, by its CPU set and its control group."""
    quota = _CGROUP_QUOTA.read_text(encoding="ascii").strip() if _CGROUP_QUOTA.is_file() else "max"
    return usable_cores(len(os.sched_getaffinity(0)), quota)


def usable_cores(affinity: int, quota: str) -> int:
    """Count the cores that two limits leave, one at least.

    Args:
        affinity: Cores in the CPU set.
        quota: The line in the control group's ``cpu.max``: "MAX PERIOD", or "max PERIOD" for no limit.
    """
    limit, _, period = quota.partition(" ")
    if limit == "max":
        return max(1, affinity)
    return max(1, min(affinity, math.ceil(int(limit) / int(period))))
