"""What a load costs the server: the process behind an address in, its tree's CPU time and memory out. Imports psutil.

CPU seconds of the server alone say more than wall time where client and server share the cores.
"""

from dataclasses import dataclass
from urllib.parse import urlsplit

import psutil

from tritext_loadtest.errors import ServerNotFoundError


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process tree has used so far.

    Attributes:
        cpu_seconds: User and system time.
        rss_bytes: Resident memory, summed over the processes.
    """

    cpu_seconds: float
    rss_bytes: int


def find_server(url: str) -> psutil.Process:
    """Find the process that listens at a URL's port on this machine.

    Raises:
        ServerNotFoundError: nobody listens, or the process belongs to another user.
    """
    port = urlsplit(url).port
    for connection in psutil.net_connections(kind="tcp"):
        listens = connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port
        if listens and connection.pid:
            return psutil.Process(connection.pid)
    raise ServerNotFoundError(
        f"{url}: no process that this user may look at listens there: start one with `tritext serve`, or give its --pid"
    )


def find_process(pid: int) -> psutil.Process:
    """Look a process up by its number.

    Raises:
        ServerNotFoundError: there is none.
    """
    try:
        return psutil.Process(pid)
    except psutil.NoSuchProcess as error:
        raise ServerNotFoundError(f"--pid {pid}: no such process") from error


def measure(server: psutil.Process) -> Cost:
    """Add up a process and its descendants."""
    cpu, rss = 0.0, 0
    for process in (server, *server.children(recursive=True)):
        try:
            times, memory = process.cpu_times(), process.memory_info()
        except psutil.NoSuchProcess:
            continue
        cpu += times.user + times.system
        rss += memory.rss
    return Cost(cpu, rss)
