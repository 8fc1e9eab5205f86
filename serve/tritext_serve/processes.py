"""The server's process tree: who belongs to it, what it weighs, and how it ends. Imports psutil, alone here."""

import ctypes
import os
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

_SHARED_MEMORY = "/dev/shm/"  # noqa: S108  # where the kernel shows POSIX shared memory
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a process tree uses.

    Attributes:
        processes: How many there are.
        rss_bytes: Resident memory, summed; pages that processes share count in each.
        cpu_seconds: User and system time so far.
    """

    processes: int
    rss_bytes: int
    cpu_seconds: float


def tree(pid: int) -> list[psutil.Process]:
    """List a process and its descendants, as far as they still live."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def footprint(pid: int) -> Footprint:
    """Measure a process and its descendants."""
    count = rss = 0
    cpu = 0.0
    for process in tree(pid):
        try:
            times = process.cpu_times()
            rss += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
        cpu += times.user + times.system
        count += 1
    return Footprint(count, rss, cpu)


def shared_memory(processes: Iterable[psutil.Process]) -> set[Path]:
    """Find the shared-memory regions that processes have mapped."""
    regions = set()
    for process in processes:
        try:
            maps = Path(f"/proc/{process.pid}/maps").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        names = (line.split(maxsplit=5)[5] for line in maps.splitlines() if _SHARED_MEMORY in line)
        regions |= {Path(name) for name in names if name.startswith(_SHARED_MEMORY) and not name.endswith("(deleted)")}
    return regions


def end(processes: Iterable[psutil.Process], timeout: float) -> None:
    """Wait for processes to end by themselves, then kill those that did not.

    Args:
        processes: Who was told to end.
        timeout: Seconds to wait.
    """
    _, alive = psutil.wait_procs(list(processes), timeout=timeout)
    for process in alive:
        process.kill()
    psutil.wait_procs(alive, timeout=5)


def die_with_parent() -> None:
    """Have the kernel send this process SIGTERM when its parent dies; to be called in a new child, before exec."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() == 1:
        os.kill(os.getpid(), signal.SIGTERM)
