"""The server seen from outside while it is loaded: its metrics and processes, once a second, in a thread of its own."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil

from tritext_loadtest.cost import find_server
from tritext_loadtest.errors import ServerNotFoundError
from tritext_loadtest.metrics import Reading, parse

METRICS_PORT = 8002
METRICS_FLAG = "--metrics-port="
STUB = "triton_python_backend_stub"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
PERIOD_SECONDS = 1.0
# A front brings its counters up to date once a second: the first and the last sample wait for that.
SETTLE_SECONDS = 1.2
_TIMEOUT_SECONDS = 2.0
MIB = 1024.0**2


@dataclass(frozen=True, slots=True)
class Process:
    """A process of the server at one moment.

    Attributes:
        pid: Its number.
        name: Its program, or model and version where Triton runs it for one.
        rss: Resident memory in MiB.
        files: Open files; None where this user may not look.
        regions: Shared-memory regions that it has mapped; None where this user may not look.
    """

    pid: int
    name: str
    rss: float
    files: int | None
    regions: int | None


@dataclass(frozen=True, slots=True)
class Sample:
    """The server at one moment.

    Attributes:
        clock: When, on the clock that records use.
        texts: Texts answered until then.
        metrics: Its models' counters; empty where they cannot be had.
        processes: Its processes; empty where it runs on another machine.
    """

    clock: float
    texts: int
    metrics: Reading
    processes: tuple[Process, ...]


class Watch:
    """Takes samples from ``start`` to ``stop``.

    Attributes:
        samples: Those taken so far.
    """

    def __init__(
        self, server: psutil.Process | None, metrics: str, models: Sequence[str], answered: Callable[[], int]
    ) -> None:
        self.samples: list[Sample] = []
        self._server = server
        self._metrics = metrics
        self._models = models
        self._answered = answered
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        """Take the first sample, then one a second."""
        time.sleep(SETTLE_SECONDS)
        self.samples.append(self._sample())
        self._thread.start()

    def stop(self) -> None:
        """Take the last sample."""
        self._over.set()
        self._thread.join()
        time.sleep(SETTLE_SECONDS)
        self.samples.append(self._sample())

    def _run(self) -> None:
        while not self._over.wait(PERIOD_SECONDS):
            self.samples.append(self._sample())

    def _sample(self) -> Sample:
        processes = look_at(self._server) if self._server else ()
        return Sample(time.perf_counter(), self._answered(), scrape(self._metrics, self._models), processes)


def local_server(url: str) -> psutil.Process | None:
    """Find the process behind an address; None on another machine, or where this user may not look."""
    if urlsplit(url).hostname not in LOOPBACK:
        return None
    try:
        return find_server(url)
    except ServerNotFoundError:
        return None


def metrics_url(url: str, server: psutil.Process | None = None) -> str:
    """Say where a server's metrics should be: on its host, on the port that its command line says, or the usual one."""
    host = urlsplit(url).hostname or ""
    port = _metrics_port(server) if server else METRICS_PORT
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/metrics"


def _metrics_port(server: psutil.Process) -> int:
    try:
        words = server.cmdline()
    except psutil.Error:
        return METRICS_PORT
    ports = [word.removeprefix(METRICS_FLAG) for word in words if word.startswith(METRICS_FLAG)]
    return int(ports[-1]) if ports and ports[-1].isdigit() else METRICS_PORT


def scrape(url: str, models: Sequence[str]) -> Reading:
    """Read metrics; nothing where they cannot be had."""
    try:
        return parse(httpx.get(url, timeout=_TIMEOUT_SECONDS).raise_for_status().text, models)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        return {}


def look_at(server: psutil.Process) -> tuple[Process, ...]:
    """Look at a process and its descendants; nothing where it has gone."""
    try:
        tree = (server, *server.children(recursive=True))
    except psutil.NoSuchProcess:
        return ()
    return tuple(filter(None, map(_look, tree)))


def _look(process: psutil.Process) -> Process | None:
    try:
        with process.oneshot():
            name, rss = _name(process), process.memory_info().rss / MIB
    except psutil.NoSuchProcess:
        return None
    return Process(process.pid, name, rss, _count_files(process), _count_regions(process))


def _name(process: psutil.Process) -> str:
    """Name a process by its program; a stub, of which there is one a model's instance, by the model that it runs."""
    name = str(process.name())
    if not STUB.startswith(name):  # the kernel keeps fifteen characters where nobody may read the rest
        return name
    try:
        served = next((Path(word).parts for word in process.cmdline() if word.endswith("/model.py")), ())
    except psutil.AccessDenied:
        return name
    return f"{served[-3]} {served[-2]}" if len(served) > 3 else name


def _count_files(process: psutil.Process) -> int | None:
    try:
        return int(process.num_fds())
    except psutil.Error:
        return None


def _count_regions(process: psutil.Process) -> int | None:
    """Count the files under /dev/shm that a process has mapped."""
    try:
        lines = Path(f"/proc/{process.pid}/maps").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    return len({line.partition("/dev/shm/")[2] for line in lines if "/dev/shm/" in line})  # noqa: S108  # only read
