"""A run from outside: a plan in, what happened out. Starts the processes that send, watches, and always ends them."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tritext_loadtest.errors import GeneratorError
from tritext_loadtest.ledger import Ledger
from tritext_loadtest.plan import Plan
from tritext_loadtest.records import Reader
from tritext_loadtest.watch import Sample, Watch

GENERATOR = "tritext_loadtest.generator"
POLL_SECONDS = 0.25
# What starting the processes and ending them may take, beside the schedule and the last timeout.
ALLOWANCE_SECONDS = 120.0

Tell = Callable[[Ledger], None]
MakeWatch = Callable[[Callable[[], int]], Watch]


@dataclass(frozen=True, slots=True)
class Run:
    """What happened.

    Attributes:
        ledger: Every request.
        notes: Errors, wrong labels and the processes' own words.
        samples: The server, once a second, from just before the load to just after.
        origin: When the schedule began, on the samples' clock.
        interrupted: Whether somebody ended it early.
    """

    ledger: Ledger
    notes: tuple[Mapping[str, Any], ...]
    samples: tuple[Sample, ...]
    origin: float
    interrupted: bool

    def noted(self, kind: str) -> list[Mapping[str, Any]]:
        """Give the notes of one kind."""
        return [note for note in self.notes if note["kind"] == kind]

    @property
    def generator_cpu(self) -> float:
        """CPU seconds that this side used."""
        return float(sum(note["cpu_seconds"] for note in self.noted("end")))


def carry_out(plan: Plan, key: str | None, web: int, make_watch: MakeWatch, tell: Tell) -> Run:
    """Make the load.

    Args:
        plan: What to send.
        key: The API key, which the processes get in their environment.
        web: Port of Locust's web page on loopback; 0 for none.
        make_watch: Makes the watch, given what tells how many texts were answered.
        tell: Hears of the progress, four times a second.

    Raises:
        GeneratorError: no request could be sent.
    """
    with tempfile.TemporaryDirectory(prefix="tritext-loadtest-") as name:
        folder = Path(name)
        plan.write(folder)
        ledger, reader = Ledger(), Reader(folder, plan.processes)
        watch = make_watch(lambda: ledger.answered_texts)
        watch.start()  # before anything is sent: the first sample is of a server at rest
        try:
            with _Processes(folder, plan, key, web) as processes:
                interrupted = _follow(processes, lambda: ledger.add(reader.records()), lambda: tell(ledger), plan)
        finally:
            watch.stop()
        ledger.add(reader.records())
        notes = tuple(reader.notes())
        if not interrupted:  # who is ended may not get as far as saying so
            _require_sound(processes, notes, ledger)
    origin = min((note["origin"] for note in notes if note["kind"] == "start"), default=watch.samples[0].clock)
    return Run(ledger, notes, tuple(watch.samples), origin, interrupted)


def _follow(processes: "_Processes", read: Callable[[], None], tell: Callable[[], None], plan: Plan) -> bool:
    """Read along until the processes end; tell whether Ctrl-C ended them."""
    deadline = time.monotonic() + plan.seconds + plan.timeout + ALLOWANCE_SECONDS
    interrupted = False
    while processes.running():
        try:
            read()
            tell()
            time.sleep(POLL_SECONDS)
        except KeyboardInterrupt:
            if interrupted:
                raise
            interrupted = True
            processes.terminate()
        if time.monotonic() > deadline:
            processes.terminate()
            raise GeneratorError(f"the load did not end in time: {processes.last_words()}")
    return interrupted


def _require_sound(processes: "_Processes", notes: Sequence[Mapping[str, Any]], ledger: Ledger) -> None:
    broken = next((note["words"] for note in notes if note["kind"] == "broken"), None)
    if broken and not ledger.records:
        raise GeneratorError(str(broken))
    if processes.failed() or sum(note["kind"] == "end" for note in notes) < processes.senders:
        raise GeneratorError(f"a process that makes the load broke off: {processes.last_words()}")


class _Processes:
    """The generator's processes, the one that ends the others first."""

    def __init__(self, folder: Path, plan: Plan, key: str | None, web: int) -> None:
        self.senders = plan.processes
        self._folder = folder
        self._environment = os.environ | ({"TRITEXT_API_KEY": key} if key else {})
        show = ["--web", str(web)]
        self._parts = [["--part", "alone", *show]]
        if plan.processes > 1:
            port = ["--port", str(_free_port())]
            workers = [["--part", "worker", "--index", str(index), *port] for index in range(plan.processes)]
            self._parts = [["--part", "master", *port, *show], *workers]
        self._all: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> "_Processes":
        try:
            for number, part in enumerate(self._parts):
                self._all.append(self._start(number, part))
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def running(self) -> bool:
        """Tell whether any is still at work, and none has died."""
        return any(process.poll() is None for process in self._all) and not self.failed()

    def failed(self) -> bool:
        """Tell whether one has died."""
        return any(process.poll() not in (None, 0) for process in self._all)

    def terminate(self) -> None:
        """Ask the first to end, which ends the others; all have their open requests to wait for."""
        self._all[0].send_signal(signal.SIGTERM)

    def last_words(self) -> str:
        """Give the last line of what the dead, or else anybody, wrote."""
        order = sorted(range(len(self._all)), key=lambda i: self._all[i].poll() in (None, 0))
        for number in order:
            lines = self._log(number).read_text(encoding="utf-8", errors="replace").strip().splitlines()
            if lines:
                return lines[-1]
        return "it left no word; is there memory enough?"

    def _start(self, number: int, part: Sequence[str]) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", GENERATOR, str(self._folder), *part]
        with self._log(number).open("wb") as log:
            # Ctrl-C is for this process alone, which then ends those.
            return subprocess.Popen(
                command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _end(self) -> None:
        for process in self._all:
            if process.poll() is None:
                process.kill()
            process.wait()

    def _log(self, number: int) -> Path:
        return self._folder / f"log-{number}.txt"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
