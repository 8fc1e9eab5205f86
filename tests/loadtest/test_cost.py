"""The server's cost is read from the process that listens, and from its children."""

import socket
import subprocess
import sys

import psutil
import pytest

from tritext_loadtest.cost import find_server, measure
from tritext_loadtest.errors import ServerNotFoundError

BUSY = "import sys; sum(i * i for i in range(3_000_000)); print(flush=True); sys.stdin.read()"


def test_the_listening_process_is_found_by_its_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert find_server(f"grpc://127.0.0.1:{port}").pid == psutil.Process().pid
    with pytest.raises(ServerNotFoundError, match=f"127.0.0.1:{port}: no process .* start one with `tritext serve`"):
        find_server(f"grpc://127.0.0.1:{port}")


def test_a_childs_time_and_memory_count() -> None:
    before = measure(psutil.Process())
    child = subprocess.Popen([sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    if child.stdout is not None:
        child.stdout.readline()
    after = measure(psutil.Process())
    child.communicate()
    assert after.cpu_seconds - before.cpu_seconds > 0.05
    assert after.rss_bytes > before.rss_bytes
