"""A server of the job's own: ``tritext serve`` as a child, on ports of loopback that nobody else has.

It ends with the job however that ends: the kernel tells it when its parent is gone, so even after kill -9 nothing
stays. It is a process because batch jobs and servers do not import each other, and because its memory is its own.
"""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from tritext_batch.errors import ModelError
from tritext_batch.settings import child_environment

START_SECONDS, STOP_SECONDS = 180.0, 40.0
# What the server has said is looked at so often, and is never much more than so many bytes.
LOOK_SECONDS, MOST_SAID = 5.0, 1 << 20
_SHOWN = 2000
# Asks for SIGTERM when the parent dies, and looks whether it has died before that; then becomes the server's launcher.
_BOUND = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 15)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the job died first")
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


@contextmanager
def serve(repository: str) -> Iterator[str]:
    """Serve a repository; gives the URL to ask.

    Raises:
        ModelError: it does not come up; the message has the server's own words.
    """
    http, grpc, metrics = map(str, _free_ports(3))
    words = ["-m", "tritext", "serve", repository, "--http-port", http, "--grpc-port", grpc, "--metrics-port", metrics]
    with tempfile.TemporaryFile() as said:
        _append_only(said)
        child = subprocess.Popen(
            [sys.executable, "-c", _BOUND, str(os.getpid()), *words],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            env=child_environment(),
            start_new_session=True,  # Ctrl-C is the job's, which stops it in good order
        )
        try:
            _wait_until_up(child, said, repository)
            with _bounded(said):
                yield f"grpc://127.0.0.1:{grpc}"
        finally:
            _stop(child)


def _append_only(file: IO[bytes]) -> None:
    """Have every process that inherits the file write at its end, wherever that is then."""
    fcntl.fcntl(file, fcntl.F_SETFL, fcntl.fcntl(file, fcntl.F_GETFL) | os.O_APPEND)


@contextmanager
def _bounded(said: IO[bytes]) -> Iterator[None]:
    """Empty what the server says whenever it is too much: nobody reads it once the server is up."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(LOOK_SECONDS):
            if os.fstat(said.fileno()).st_size > MOST_SAID:
                os.ftruncate(said.fileno(), 0)

    watcher = threading.Thread(target=watch, name="server-log", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def _wait_until_up(child: "subprocess.Popen[bytes]", said: IO[bytes], repository: str) -> None:
    until = time.monotonic() + START_SECONDS
    while b"\nstop " not in (words := _read(said)):  # the last line of what it says when every model has answered
        if child.poll() is not None:
            raise ModelError(f"{repository}: cannot be served: {words.decode(errors='replace').strip()[-_SHOWN:]}")
        if time.monotonic() > until:
            raise ModelError(
                f"{repository}: the server is not up after {START_SECONDS:g} s: try tritext serve by itself"
            )
        time.sleep(0.05)


def _read(said: IO[bytes]) -> bytes:
    return os.pread(said.fileno(), MOST_SAID, 0)


def _stop(child: "subprocess.Popen[bytes]") -> None:
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _free_ports(count: int) -> list[int]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports
