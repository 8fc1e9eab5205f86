"""What is made once a run, however many processes run its tests."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Give a folder that the first process to want it makes, while the others wait.

    Args:
        factory: Each worker's temporary folders lie in one of the run's.
        name: Of the folder, the same for all who want the same.
        make: Fills it; where that fails, the next one tries again.
    """
    base = factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = shared / name
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            half_done = factory.mktemp(name)
            make(half_done)
            half_done.rename(folder)
    return folder
