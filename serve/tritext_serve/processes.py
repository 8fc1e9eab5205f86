"""The server's process tree: who belongs to it, what it weighs, and how it ends. Imports psutil, alone here."""

import contextlib
import ctypes
import os
import sys
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

POLL_SECONDS = 0.02
_ESTABLISHED = "01"  # in the kernel's tables
STUB = "triton_python_backend_stub"
_PR_SET_CHILD_SUBREAPER = 36
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


@dataclass(frozen=True, slots=True)
class Stub:
    """The process that hosts one instance of a Python model.

    Attributes:
        process: The process.
        model: The model's name.
    """

    process: psutil.Process
    model: str

    @property
    def lives(self) -> bool:
        """Whether it still runs."""
        return lives(self.process)

    @property
    def is_stopped(self) -> bool:
        """Whether a signal holds it."""
        try:
            return bool(self.process.status() == psutil.STATUS_STOPPED)
        except psutil.NoSuchProcess:
            return False

    @property
    def cpu_seconds(self) -> float:
        """User and system time so far; 0 where it is gone."""
        try:
            times = self.process.cpu_times()
        except psutil.NoSuchProcess:
            return 0.0
        return float(times.user + times.system)


def stubs(leader: int) -> list[Stub]:
    """List the stubs of a server, by its process id; a stub's first argument is ``…/MODEL/VERSION/model.py``."""
    found = []
    for process in of_session(leader):
        with contextlib.suppress(psutil.NoSuchProcess):
            command = process.cmdline()
            if len(command) > 1 and Path(command[0]).name == STUB:
                found.append(Stub(process, Path(command[1]).parents[1].name))
    return found


def connected(pid: int, ports: Collection[int]) -> bool:
    """Whether a server has open connections on any of its ports, in whatever network it is."""
    for table in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/{pid}/net/{table}").read_text(encoding="ascii").splitlines()[1:]
        except OSError:  # it is gone, or there is no version 6
            continue
        for _, local, _, state, *_ in map(str.split, lines):
            if state == _ESTABLISHED and int(local.rpartition(":")[2], 16) in ports:
                return True
    return False


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


def machine_memory() -> int:
    """Count the bytes of this machine's memory."""
    return int(psutil.virtual_memory().total)


def end(processes: Iterable[psutil.Process], timeout: float) -> None:
    """Wait for processes to end by themselves, then kill those that did not.

    Args:
        processes: Who was told to end.
        timeout: Seconds to wait.
    """
    alive = _outlive(processes, timeout)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    _outlive(alive, timeout=5)


def _outlive(processes: Iterable[psutil.Process], timeout: float) -> list[psutil.Process]:
    """Wait for processes to end, and list those that have not; what waits only for its parent's look has ended."""
    deadline = time.monotonic() + timeout
    alive = [process for process in processes if lives(process)]
    while alive and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        alive = [process for process in alive if lives(process)]
    return alive


def lives(process: psutil.Process) -> bool:
    """Whether a process still runs."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def adopt_orphans() -> None:
    """Become the parent of whatever this process's descendants leave, in place of a process 1 that may not look."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def reap(leader: int) -> None:
    """Let go of the ended processes of a session that were adopted; its leader's status is left for who started it."""
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError, ChildProcessError):
            if child.pid != leader and os.getsid(child.pid) == leader:
                os.waitpid(child.pid, os.WNOHANG)


def ended_children() -> set[int]:
    """List this process's children that have ended and that nobody has waited for."""
    ended = set()
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess):
            if child.status() == psutil.STATUS_ZOMBIE:
                ended.add(child.pid)
    return ended


def bound_to_parent(command: Sequence[str]) -> list[str]:
    """Wrap a command so that the kernel sends it SIGTERM when the thread that starts it ends, however that ends.

    A small Python sets that up and becomes the command: a function run between fork and exec could dead-lock, since
    this process may have threads by then. Start it from the main thread, which lives as long as the process.
    """
    return [sys.executable, "-I", "-S", "-c", _BIND, str(os.getpid()), *command]
