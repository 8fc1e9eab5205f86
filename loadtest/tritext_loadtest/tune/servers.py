"""One server a setting: a repository and a setting in, a running ``tritext serve`` to ask and to measure out."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from tritext import Client, TritextError
from tritext_loadtest.load import Shape, run
from tritext_loadtest.peers.errors import PeerError
from tritext_loadtest.peers.process import ServerProcess, free_ports
from tritext_loadtest.texts import Item
from tritext_loadtest.tune.halving import Turn
from tritext_loadtest.tune.offer import Offered, Request, offer
from tritext_loadtest.tune.settings import Setting

START_SECONDS = 120.0
ASK_SECONDS = 10.0
POLL_SECONDS = 0.1
SATURATING_CLIENTS = 16
# Texts a request while nobody is in a hurry.
AT_REST = 32
# Another server is started only while this much would be left, and half as much again as the first one took.
SPARE_BYTES = 512 << 20
# Two labels whose scores differ by less are equally right: the batch that a text stands in moves scores a little.
TIE = 0.02


@dataclass(frozen=True, slots=True)
class Subject:
    """What is served.

    Attributes:
        repository: The model repository.
        model: The front's name.
        batch: Texts a request.
        more: Further arguments of ``tritext serve``.
    """

    repository: Path
    model: str
    batch: int = 1
    more: tuple[str, ...] = ()


class Served:
    """A server with one setting."""

    def __init__(self, subject: Subject, setting: Setting, folder: Path) -> None:
        """Start it; it is not ready yet.

        Args:
            subject: What it serves.
            setting: How.
            folder: Its own, for the file of the setting and its log.
        """
        folder.mkdir()
        (folder / "tuned.toml").write_text(
            setting.to_toml(subject.model, "one of many that are tried"), encoding="utf-8"
        )
        http, grpc, metrics = map(str, free_ports(3))
        line = [sys.executable, "-m", "tritext", "serve", str(subject.repository.resolve()), *subject.more]
        line += ["--http-port", http, "--grpc-port", grpc, "--metrics-port", metrics]
        line += ["--tuned", str(folder / "tuned.toml")]
        self.process = ServerProcess(str(setting), line, {}, folder, folder / "serve.log")
        self.client = Client(
            f"grpc://127.0.0.1:{grpc}",
            subject.model,
            timeout=ASK_SECONDS,
            retries=0,
            max_batch_size=max(AT_REST, subject.batch),
        )

    def wait(self, item: Item) -> None:
        """Wait for its first answer.

        Raises:
            PeerError: it ends, or does not answer in time; the message holds the end of its log.
        """
        deadline, problem = time.monotonic() + START_SECONDS, ""
        while time.monotonic() < deadline:
            self.process.check()
            try:
                self.ask([item])
            except TritextError as error:
                problem = str(error)
                time.sleep(POLL_SECONDS)
            else:
                return
        raise PeerError(f"no answer within {START_SECONDS:g} s: {problem}: {self.process.log_tail()}")

    def ask(self, items: Sequence[Item]) -> list[str]:
        """Give each item's label."""
        return [answer.label for answer in self.client.classify([one.text for one in items], pairs=_pairs(items))]

    def labels(self, items: Sequence[Item]) -> list[str]:
        """Ask about items at rest; "" for one whose label hangs in the balance."""
        answers = self.client.classify([one.text for one in items], pairs=_pairs(items), scores=True, timeout=600.0)
        return ["" if _balanced(answer.scores or {}) else answer.label for answer in answers]

    def saturation(self, requests: Sequence[Request]) -> float:
        """Give the requests a second that it takes at most, from clients that wait for their answers."""
        numbers = {str(number): request.items for number, request in enumerate(requests)}
        done = run(lambda keys: self.ask(numbers[keys[0]]), list(numbers), Shape(SATURATING_CLIENTS, 1))
        return len(requests) / done.seconds

    def turn(self, requests: Sequence[Request], due: Sequence[float], number: int) -> Turn:
        """Load it on a schedule, and read what that cost.

        Raises:
            PeerError: it has ended, or answers nothing.
        """
        self.process.check()
        before = self.process.cost().cpu_seconds
        offered: Offered = offer(self.ask, requests, due)
        spent = self.process.cost().cpu_seconds - before
        self.process.check()
        if not offered.texts:
            raise PeerError(f"not one of {len(offered.lateness)} requests was answered: {self.process.log_tail()}")
        lateness = sorted(offered.lateness)[int(0.99 * (len(offered.lateness) - 1))]
        return Turn(number, 1e3 * spent / offered.texts, offered.figures, 1e3 * lateness, offered.texts)

    def stop(self) -> None:
        """End it; safe to call twice."""
        self.process.stop()  # first, so that requests which are under way end as refused
        self.client.close()


class Fleet:
    """The servers that run at once, all stopped at the end."""

    def __init__(self, subject: Subject, scratch: Path) -> None:
        self._subject, self._scratch = subject, scratch
        self._running: dict[Setting, Served] = {}
        self._started, self._largest = 0, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for setting in list(self._running):
            self.stop(setting)

    def __getitem__(self, setting: Setting) -> Served:
        """Give a running server."""
        return self._running[setting]

    def start(self, setting: Setting, item: Item) -> Served:
        """Start a server and wait until it has answered an item.

        Raises:
            PeerError: there is no memory for another one, or it does not start.
        """
        wanted, left = self._largest * 3 // 2 + SPARE_BYTES, psutil.virtual_memory().available
        if self._running and left < wanted:
            raise PeerError(
                f"{left >> 20} MiB of memory are left and another server may want {wanted >> 20}: give --settings fewer"
            )
        self._started += 1
        served = Served(self._subject, setting, self._scratch / str(self._started))
        self._running[setting] = served
        try:
            served.wait(item)
        except PeerError:
            self.stop(setting)
            raise
        self._largest = max(self._largest, served.process.cost().rss_bytes)
        return served

    def stop(self, setting: Setting) -> None:
        """End a server; nothing where it does not run."""
        served = self._running.pop(setting, None)
        if served is not None:
            served.stop()


def _pairs(items: Sequence[Item]) -> list[str] | None:
    seconds = [one.pair for one in items if one.pair is not None]
    return seconds or None


def _balanced(scores: dict[str, float]) -> bool:
    ordered = sorted(scores.values(), reverse=True)
    return len(ordered) > 1 and ordered[0] - ordered[1] < TIE
