"""Load from several client processes: an address and texts in; rates, and what every part was busy with, out.

Each is ``gpu_client.py`` in a Python of its own, as one Python sends and reads on one core only.
"""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any

import psutil

from gpu_client import Order
from tritext_export.errors import ExportError
from tritext_loadtest.expectations import Expected, read_expectations
from tritext_loadtest.metrics import Counters
from tritext_loadtest.statistics import percentile
from tritext_loadtest.texts import Item
from tritext_loadtest.watch import SETTLE_SECONDS, scrape
from tritext_serve.server import Server

CLIENT = Path(__file__).with_name("gpu_client.py")


class LoadError(ExportError):
    """A client process broke off."""


@dataclass(frozen=True, slots=True)
class Busy:
    """How much of each part was used.

    Attributes:
        front: Cores that the busiest front process used; its Python can use one.
        client: Cores that the busiest client process used; likewise.
        machine: Share of all cores in use, by the server and the clients.
        queue: Milliseconds that a request waited, in Triton and in the front; None where the metrics say nothing.
        compute: Milliseconds that it took from then on.
    """

    front: float
    client: float
    machine: float
    queue: float | None
    compute: float | None


@dataclass(frozen=True, slots=True)
class Load:
    """What a load led to.

    Attributes:
        size: Texts a request.
        tokens: Of each text.
        requests_in_flight: At once.
        texts_per_second: Throughput.
        p50_milliseconds: Median latency of a request.
        p99_milliseconds: Latency that one request in a hundred exceeds.
        server_milliseconds: CPU time of the server's whole tree, a text.
        texts: Answered.
        wrong: Of those, how many with another label than at export.
        busy: What was used meanwhile.
    """

    size: int
    tokens: int
    requests_in_flight: int
    texts_per_second: float
    p50_milliseconds: float
    p99_milliseconds: float
    server_milliseconds: float
    texts: int
    wrong: int
    busy: Busy


def expected_labels(repository: Path, model: str, texts: Sequence[str]) -> tuple[str, ...]:
    """Say what each text is to get, by what the export gave it."""
    known = read_expectations(repository, model, "1").of([Item(text) for text in texts])
    return tuple("" if one is None or one.tie else one.label for one in map(_of(known), texts))


def _of(known: dict[Item, Expected]) -> Any:
    return lambda text: known.get(Item(text))


def load(server: Server, order: Order, tokens: int, processes: int) -> Load:
    """Load a server from several processes, and watch it.

    Args:
        server: Running.
        order: What each process does; each begins at another text.
        tokens: Of the texts, for the record.
        processes: How many.

    Raises:
        LoadError: one of them broke off; the message is its own.
    """
    step = len(order.texts) // processes
    clients = [Child(_turned(order, i * step)) for i in range(processes)]
    try:
        for client in clients:
            client.expect()
        before = _settled(server, order.model)
        tree, started = _cpu(server.pid), time.perf_counter()
        for client in clients:
            client.go()
        said = [client.expect() for client in clients]
        seconds = time.perf_counter() - started
        used = {pid: spent - tree.get(pid, 0.0) for pid, spent in _cpu(server.pid).items()}
        after = _settled(server, order.model)
    finally:
        for client in clients:
            client.stop()
    return _conclude(order, tokens, said, (server.pid, used), seconds, (before, after))


def _settled(server: Server, model: str) -> Counters | None:
    """Read a front's counters once it has brought them up to date, which it does once a second."""
    time.sleep(SETTLE_SECONDS)
    return scrape(server.metrics_url, [model]).get(model)


def _conclude(
    order: Order,
    tokens: int,
    said: Sequence[dict[str, Any]],
    tree: tuple[int, dict[int, float]],
    seconds: float,
    metrics: tuple[Counters | None, Counters | None],
) -> Load:
    (before, after), (server, used) = metrics, tree
    own = after.since(before) if before and after else Counters()
    texts, latencies = sum(one["texts"] for one in said), [each for one in said for each in one["latencies"]]
    if not texts:
        raise LoadError(
            f"no request of {order.size} texts was answered within {order.seconds:g} s: allow --seconds more"
        )
    client = [one["cpu_seconds"] / one["seconds"] for one in said]
    cores = psutil.cpu_count() or 1
    return Load(
        size=order.size,
        tokens=tokens,
        requests_in_flight=order.threads * len(said),
        texts_per_second=sum(one["texts"] / one["seconds"] for one in said),
        p50_milliseconds=1e3 * percentile(latencies, 0.5),
        p99_milliseconds=1e3 * percentile(latencies, 0.99),
        server_milliseconds=1e3 * sum(used.values()) / texts,
        texts=texts,
        wrong=sum(one["wrong"] for one in said),
        busy=Busy(
            front=max((spent for pid, spent in used.items() if pid != server), default=0.0) / seconds,
            client=max(client),
            machine=(sum(used.values()) / seconds + sum(client)) / cores,
            queue=own.milliseconds("queue"),
            compute=own.milliseconds("compute"),
        ),
    )


def _turned(order: Order, start: int) -> Order:
    """Let an order begin at another text."""
    texts, labels = order.texts, order.labels
    return replace(order, texts=texts[start:] + texts[:start], labels=labels[start:] + labels[:start])


def _cpu(root: int) -> dict[int, float]:
    """Read the CPU time of each process of a tree, in seconds by its number."""
    found = {}
    for process in (psutil.Process(root), *psutil.Process(root).children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        found[process.pid] = times.user + times.system
    return found


class Child:
    """One client process, seen from outside."""

    def __init__(self, order: Order) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(CLIENT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._say(json.dumps(asdict(order)))

    def expect(self) -> dict[str, Any]:
        """Wait for what it says next."""
        line = _pipe(self._process.stdout).readline()
        if not line:
            _, said = self._process.communicate()
            raise LoadError(
                f"a client process broke off: {said.strip().splitlines()[-1] if said.strip() else 'silently'}"
            )
        content: dict[str, Any] = json.loads(line)
        return content

    def go(self) -> None:
        """Tell it to begin."""
        self._say("go")

    def stop(self) -> None:
        """End it; safe to call twice."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None and not pipe.closed:
                pipe.close()

    def _say(self, line: str) -> None:
        try:
            _pipe(self._process.stdin).write(line + "\n")
            _pipe(self._process.stdin).flush()
        except BrokenPipeError:
            return  # what it has to say of that comes with ``expect``


def _pipe(pipe: IO[str] | None) -> IO[str]:
    if pipe is None:
        raise LoadError("a client process has no pipes")
    return pipe
