"""A server's processes: a command in, a running tree out, its cost read and its end seen to."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from tritext_loadtest.cost import Cost, measure
from tritext_loadtest.peers.environments import tail
from tritext_loadtest.peers.errors import PeerError

STOP_SECONDS = 20.0
LEFT_BEHIND_SECONDS = 3.0
# The kernel ends the server when the thread that starts it does, however that ends.
_BIND = """
import ctypes, os, signal, sys
PR_SET_PDEATHSIG = 1
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the bench ended first")
os.execvp(sys.argv[2], sys.argv[2:])
"""
# What a child needs to find programs, its home and its locale; nothing else of the user's environment.
_PASSED_ON = ("HOME", "LANG", "LC_ALL", "TZ", "PATH")


class ServerProcess:
    """One server and the processes it starts."""

    def __init__(self, name: str, command: Sequence[str], more: Mapping[str, str], folder: Path, log: Path) -> None:
        """Start it.

        Args:
            name: What messages call it.
            command: Its program and arguments.
            more: Environment variables beside the few that are passed on.
            folder: Where it runs.
            log: What it says goes there.
        """
        self.name, self._log = name, log
        environment = {key: os.environ[key] for key in _PASSED_ON if key in os.environ} | dict(more)
        bound = [sys.executable, "-I", "-S", "-c", _BIND, str(os.getpid()), *command]
        with log.open("wb") as output:
            self._popen = subprocess.Popen(
                bound,
                env=environment,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._root = psutil.Process(self._popen.pid)
        self._stopped = False

    def check(self) -> None:
        """See that it lives.

        Raises:
            PeerError: it ended; the message holds the end of its log.
        """
        status = self._popen.poll()
        if status is not None:
            raise PeerError(f"{self.name}: ended with status {status}: {self.log_tail()}")

    def cost(self) -> Cost:
        """Add up the tree's CPU time and memory."""
        return measure(self._root)

    def memory_mib(self) -> float:
        """Add up the tree's proportional memory: a page that several processes share counts once."""
        total = 0
        with contextlib.suppress(psutil.NoSuchProcess):
            for member in (self._root, *self._root.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                    total += member.memory_full_info().pss
        return total / 2**20

    def log_tail(self) -> str:
        """Give the last of what it said."""
        return tail(self._log)

    def stop(self) -> None:
        """End the whole tree, the first process first and gently; safe to call twice."""
        if self._stopped:  # by now the kernel may have given its number to another group
            return
        members: list[psutil.Process] = []
        with contextlib.suppress(psutil.NoSuchProcess):
            members = self._root.children(recursive=True)
        self._popen.terminate()
        try:
            self._popen.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
        for end in (psutil.Process.terminate, psutil.Process.kill):  # whoever was left behind
            for member in members:
                with contextlib.suppress(psutil.NoSuchProcess):
                    end(member)
            _, members = psutil.wait_procs(members, timeout=LEFT_BEHIND_SECONDS)
        with contextlib.suppress(ProcessLookupError):  # whom a first process that died by itself has left no parent
            os.killpg(self._popen.pid, signal.SIGKILL)  # its own group: it was started in a session of its own
        self._stopped = True


def free_ports(count: int) -> list[int]:
    """Ask the kernel for loopback ports that nobody listens on."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports
