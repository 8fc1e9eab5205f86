"""The server's process tree: who belongs to it, what it weighs, and how it ends. Imports psutil, alone here."""

import contextlib
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

_SHARED_MEMORY = "/dev/shm/"  # noqa: S108  # where the kernel shows POSIX shared memory
_BIND = """
import ctypes, os, signal, sys
PR_SET_PDEATHSIG = 1
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the launcher died first")
os.execv(sys.argv[2], sys.argv[2:])
"""


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


def of_session(leader: int) -> list[psutil.Process]:
    """List the living processes of a session, by its leader's process id.

    The launcher starts tritonserver as the leader of a session of its own. When tritonserver is killed, its stubs live
    on for a second or three as children of nobody, but still of that session.
    """
    members = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            if os.getsid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                members.append(process)
    return members


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
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=5)


def bound_to_parent(command: Sequence[str]) -> list[str]:
    """Wrap a command so that the kernel sends it SIGTERM when the thread that starts it ends, however that ends.

    A small Python sets that up and becomes the command: a function run between fork and exec could dead-lock, since
    this process may have threads by then. Start it from the main thread, which lives as long as the process.
    """
    return [sys.executable, "-I", "-S", "-c", _BIND, str(os.getpid()), *command]
