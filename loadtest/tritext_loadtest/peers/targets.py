"""What can be measured: texts and a shape of load in, their cost, labels and latencies out."""

import json
import select
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from tritext import Client, TritextError
from tritext_loadtest.load import Shape, run
from tritext_loadtest.peers.connections import Connections
from tritext_loadtest.peers.environments import tail
from tritext_loadtest.peers.errors import PeerError
from tritext_loadtest.peers.files import PROGRAMS, program_environment
from tritext_loadtest.peers.process import ServerProcess
from tritext_loadtest.peers.routes import Route
from tritext_loadtest.statistics import percentile

SINGLE, BATCH = Shape(16, 1), Shape(4, 32)
ENGINE = "engine alone, perfect batches"
POLL_SECONDS = 0.25
CALL_SECONDS = 60.0
ENGINE_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Take:
    """What one load on one target showed.

    Attributes:
        cpu_milliseconds: CPU time of the server's whole tree, a text.
        texts_per_second: Throughput.
        p50_milliseconds: Median latency of a request; 0 where there are no requests.
        p99_milliseconds: Latency that one request in a hundred exceeds.
        labels: The answers, in the texts' order.
    """

    cpu_milliseconds: float
    texts_per_second: float
    p50_milliseconds: float
    p99_milliseconds: float
    labels: tuple[str, ...] = field(repr=False)


class Target(Protocol):
    """One way into one server."""

    @property
    def name(self) -> str:
        """What tables call it."""

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """The loads that it can take."""

    def take(self, texts: Sequence[str], shape: Shape) -> Take:
        """Send every text once.

        Raises:
            PeerError: it does not answer them all.
        """


@dataclass(frozen=True, slots=True)
class ServerTarget:
    """A server that is asked over its socket.

    Attributes:
        name: What tables call it.
        process: The server's processes.
        single: Answers one text.
        batch: Answers several in one request; None where the server does not.
    """

    name: str
    process: ServerProcess
    single: Callable[[Sequence[str]], list[str]]
    batch: Callable[[Sequence[str]], list[str]] | None

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """Single texts, and batches where there is a route for them."""
        return (SINGLE,) if self.batch is None else (SINGLE, BATCH)

    def ask(self, shape: Shape) -> Callable[[Sequence[str]], list[str]]:
        """Give the route for a shape.

        Raises:
            PeerError: the server takes one text a request only.
        """
        if shape.texts_per_request == 1:
            return self.single
        if self.batch is None:
            raise PeerError(f"{self.name}: takes one text a request")
        return self.batch

    def take(self, texts: Sequence[str], shape: Shape) -> Take:
        """Load the server and read its tree's CPU time before and after."""
        self.process.check()
        before = self.process.cost().cpu_seconds
        try:
            result = run(self.ask(shape), texts, shape)
        except (PeerError, TritextError) as error:
            self.process.check()
            raise PeerError(f"{self.name}: {error}: {self.process.log_tail()}") from error
        spent = self.process.cost().cpu_seconds - before
        return Take(
            cpu_milliseconds=1e3 * spent / len(texts),
            texts_per_second=result.texts_per_second,
            p50_milliseconds=1e3 * percentile(result.latencies, 0.5),
            p99_milliseconds=1e3 * percentile(result.latencies, 0.99),
            labels=tuple(result.predictions),
        )

    def wait(self, seconds: float) -> None:
        """Wait for its first answer.

        Raises:
            PeerError: it ends, or does not answer in time; the message holds the end of its log.
        """
        deadline = time.monotonic() + seconds
        problem: Exception | None = None
        while time.monotonic() < deadline:
            self.process.check()
            try:
                self.single(["Is it there?"])
            except (PeerError, TritextError) as error:
                problem = error
                time.sleep(POLL_SECONDS)
            else:
                return
        raise PeerError(f"{self.name}: no answer within {seconds:g} s: {problem}: {self.process.log_tail()}")


def over_http(connections: Connections, route: Route) -> Callable[[Sequence[str]], list[str]]:
    """Ask by a JSON route."""
    return lambda texts: route.labels(connections.post(route.path, route.body(texts)), len(texts))


def over_client(client: Client) -> Callable[[Sequence[str]], list[str]]:
    """Ask with tritext's own client."""
    return lambda texts: [p.label for p in client.classify(list(texts), timeout=CALL_SECONDS)]


class EngineTarget:
    """The bare engine in a process of its own, which says itself what its runs cost."""

    name = ENGINE
    shapes = (SINGLE, BATCH)

    def __init__(self, environment: Path, setting: dict[str, object], log: Path) -> None:
        self._log = log
        with log.open("wb") as errors:
            self._popen = subprocess.Popen(
                [str(environment / "bin" / "python"), "engine.py"],
                env=program_environment(environment, setting),
                cwd=PROGRAMS,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def take(self, texts: Sequence[str], shape: Shape) -> Take:
        """Hand over the texts and read the figures; the shape means nothing to an engine."""
        said = self._exchange(json.dumps(list(texts)))
        return Take(1e3 * said["cpu_seconds"] / len(texts), len(texts) / said["seconds"], 0, 0, tuple(said["labels"]))

    def stop(self) -> None:
        """End it; safe to call twice."""
        self._popen.terminate()
        self._popen.wait()
        for pipe in (self._popen.stdin, self._popen.stdout):
            if pipe is not None:
                pipe.close()

    def _exchange(self, line: str) -> dict[str, Any]:
        if self._popen.stdin is None or self._popen.stdout is None:
            raise PeerError(f"{ENGINE}: has no pipes")
        try:
            self._popen.stdin.write(line + "\n")
            self._popen.stdin.flush()
        except BrokenPipeError as error:
            raise PeerError(f"{ENGINE}: ended: {tail(self._log)}") from error
        readable, _, _ = select.select([self._popen.stdout], [], [], ENGINE_SECONDS)
        answer = self._popen.stdout.readline() if readable else ""
        if not answer:
            raise PeerError(f"{ENGINE}: gave no answer: {tail(self._log)}")
        said: dict[str, Any] = json.loads(answer)
        return said
