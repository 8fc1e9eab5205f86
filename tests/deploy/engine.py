"""A Docker engine for the tests: the one that answers, else one of their own that leaves nothing behind.

An own engine keeps its hands off the machine's network: no bridge, no packet filter, no forwarding. Builds use the
host's network, and compose's networks reach published ports through Docker's proxy process.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

START_SECONDS = 180
STOP_SECONDS = 120
IMAGES_KILOBYTES = 4 << 20
PLENTY_KILOBYTES = 3 * IMAGES_KILOBYTES
OWN_FLAGS = ("--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false")


@dataclass(frozen=True, slots=True)
class Engine:
    """How to reach an engine.

    Attributes:
        environment: What ``docker`` and ``compose`` need to find it.
        own: Whether the tests started it, so that its images go with it.
    """

    environment: Mapping[str, str]
    own: bool

    def docker(self, *arguments: str, timeout: float = 240) -> str:
        """Run the command line client and give what it prints."""
        return run(["docker", *arguments], timeout, self.environment)


def run(command: list[str], timeout: float, environment: Mapping[str, str] | None = None) -> str:
    """Run a command that must succeed; its whole output is the message where it does not."""
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=timeout, env=environment, check=False, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, f"{' '.join(command[:6])} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout


@contextmanager
def engine(scratch: Path) -> Iterator[Engine]:
    """Give the running engine, or start one whose images live in ``scratch`` until the end."""
    if shutil.which("docker") is None:
        pytest.skip("MISSING: no docker command: install docker.io")
    if _answers(os.environ):
        yield Engine(dict(os.environ), own=False)
        return
    if os.geteuid() != 0:
        pytest.skip(
            "MISSING: no Docker engine answers, and starting one needs root: start it, or run the tests as root"
        )
    if shutil.which("dockerd") is None:
        pytest.skip("MISSING: no Docker engine answers and there is no dockerd to start: install docker.io")
    with _own_engine(scratch) as environment:
        yield Engine(environment, own=True)


def remove(folder: Path) -> None:
    """Unmount what is mounted in a folder, deepest first, and delete it; dockerd leaves a network namespace."""
    points = [line.split()[1] for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    for point in sorted((p for p in points if Path(p).is_relative_to(folder)), reverse=True):
        run(["umount", point], 30)
    shutil.rmtree(folder)


def put_in_memory(folder: Path) -> None:
    """Keep a folder in memory where there is plenty: forty thousand files take a disk a minute to delete."""
    meminfo = Path("/proc/meminfo").read_text(encoding="utf-8")
    kilobytes = next(int(line.split()[1]) for line in meminfo.splitlines() if line.startswith("MemAvailable:"))
    if kilobytes > PLENTY_KILOBYTES:
        command = ["mount", "-t", "tmpfs", "-o", f"size={IMAGES_KILOBYTES}k", "tritext-docker", str(folder)]
        subprocess.run(command, timeout=10, check=False)  # refused, the disk serves as well


@contextmanager
def _own_engine(scratch: Path) -> Iterator[Mapping[str, str]]:
    # A socket's path may have 107 characters, so it cannot lie in the scratch folder.
    sockets = Path(tempfile.mkdtemp(prefix="tritext-docker-"))
    data = Path(tempfile.mkdtemp(prefix="docker-", dir=scratch))
    put_in_memory(data)
    environment = {**os.environ, "DOCKER_HOST": f"unix://{sockets}/docker.sock"}
    flags = [f"--host={environment['DOCKER_HOST']}", f"--data-root={data}", f"--exec-root={sockets}/exec"]
    log = scratch / "dockerd.log"
    with log.open("wb") as output:
        daemon = subprocess.Popen(
            # A test run that is killed takes the engine with it.
            ["setpriv", "--pdeathsig=TERM", "dockerd", *flags, f"--pidfile={sockets}/docker.pid", *OWN_FLAGS],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    try:
        _await(daemon, environment, log)
        yield environment
    finally:
        _stop(daemon)
        remove(sockets)
        remove(data)


def _answers(environment: Mapping[str, str]) -> bool:
    command = ["docker", "version", "--format", "{{.Server.Version}}"]
    done = subprocess.run(command, capture_output=True, timeout=30, env=environment, check=False)
    return done.returncode == 0


def _await(daemon: subprocess.Popen[bytes], environment: Mapping[str, str], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and daemon.poll() is None:
        if _answers(environment):
            return
        time.sleep(0.2)
    tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-5:])
    pytest.skip(f"MISSING: dockerd does not come up here, which containers may forbid; the end of its log:\n{tail}")


def _stop(daemon: subprocess.Popen[bytes]) -> None:
    daemon.send_signal(signal.SIGTERM)
    try:
        daemon.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait(STOP_SECONDS)
