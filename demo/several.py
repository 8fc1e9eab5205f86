"""Several Tritons behind one Envoy, on one machine: who gets how much, and what is lost when one is killed under load.

::

    python demo/several.py MODEL_REPOSITORY TEXTS      # a minute; TEXTS has a text in a line's first column

    8 clients, gRPC and REST ─► Envoy, one address ─► Triton 0
                                                   └► Triton 1   killed in the second half

Each client asks one request after the other and keeps its own book: what it asked, what was answered, what failed and
how. Half of them never ask again by themselves, the others as the client does by default. Envoy counts what it sent to
each Triton. Client, Envoy and Tritons share the machine, so that the rates are of all of them together.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

from tritext import Client, TritextError
from tritext_serve import processes
from tritext_serve.endpoint import control, keys
from tritext_serve.endpoint.rundir import RunDirectory
from tritext_serve.ports import steady_ports

NAME, DEPLOYMENT = "several", "blue"
START_SECONDS, BACK_SECONDS = 120.0, 60.0
PER_KIND, RETRIES = 4, 3
TIMEOUT_SECONDS = 20.0


@dataclass
class Book:
    """What one client asked and was told.

    Attributes:
        name: What the table calls it.
        url: Whom it asks, and how.
        retries: How often it asks again by itself.
        asked: Requests.
        answered: Of these, those with a label.
        failed: The others, by error.
        labels: What each text was called.
    """

    name: str
    url: str
    retries: int
    asked: int = 0
    answered: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    labels: dict[str, set[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Fleet:
    """A running endpoint with several Tritons.

    Attributes:
        address: ``host:port`` of Envoy, for gRPC and HTTP.
        run: Its run directory.
    """

    address: str
    run: RunDirectory

    @property
    def key(self) -> str:
        """A key that it accepts."""
        return keys.read(self.run.keys)["primary"]

    @property
    def supervisor(self) -> int:
        """The process that watches its Tritons."""
        return int((self.run.path / "supervisor.pid").read_text(encoding="utf-8").split()[0])

    def instances(self) -> list[dict[str, Any]]:
        """Say how each Triton stands."""
        found: list[dict[str, Any]] = self._show()["deployments"][0]["instances"]
        return found

    def sent(self) -> dict[str, int]:
        """Count the requests that Envoy has sent to each Triton, by both protocols, without its health checks."""
        with urllib.request.urlopen(f"{self._show()['edge_stats']}/clusters", timeout=10) as answer:
            return requests_by_triton(answer.read().decode(), self.instances())

    def wait_until_well(self, killed: int) -> None:
        """Wait until every Triton gets requests, none of them the process that was killed.

        Raises:
            TimeoutError: one does not come back.
        """
        deadline = time.monotonic() + BACK_SECONDS
        # Nobody may have looked since it died: it is well by the last look, and has no process.
        while not all(each["well"] and each["pid"] not in (None, killed) for each in self.instances()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"not well after {BACK_SECONDS:g} s: {self.instances()}")
            time.sleep(0.1)

    def _show(self) -> dict[str, Any]:
        return control.ask(self.run.control, {"verb": "show"}, timeout=30)


def requests_by_triton(page: str, instances: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Read Envoy's page of clusters: ``blue::127.0.0.1:8000::rq_total::17`` among others."""
    ports = {str(each[kind]): f"Triton {each['number']}" for each in instances for kind in ("http", "grpc")}
    found = dict.fromkeys(ports.values(), 0)
    for line in page.splitlines():
        words = line.split("::")
        port = words[1].rpartition(":")[2] if len(words) == 4 else ""
        if port in ports and words[2] == "rq_total":
            found[ports[port]] += int(words[3])
    return found


@contextmanager
def fleet(repository: Path, folder: Path, count: int = 2) -> Iterator[Fleet]:
    """Start an endpoint of one deployment with so many Tritons, as a user does, and stop it.

    Raises:
        RuntimeError: it did not start; its own words are in the message.
    """
    address = f"127.0.0.1:{steady_ports(1)[0]}"
    environment = dict(os.environ, XDG_RUNTIME_DIR=str(folder))
    command = [sys.executable, "-m", "tritext", "endpoint", "up", *_files(repository, folder, count)]
    output, errors = folder / "up.out", folder / "up.err"
    with output.open("w") as out, errors.open("w") as err:
        running = subprocess.Popen(
            processes.bound_to_parent([*command, "--listen", address, "--threads", "1"]),
            stdout=out, stderr=err, env=environment,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + START_SECONDS
        while "\nstop " not in output.read_text(encoding="utf-8"):
            if running.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(errors.read_text(encoding="utf-8"))
            time.sleep(0.05)
        yield Fleet(address, RunDirectory(folder / "tritext" / NAME))
    finally:
        running.terminate()
        running.wait(60)


def _files(repository: Path, folder: Path, count: int) -> list[str]:
    """Write the endpoint's files; JSON is YAML."""
    texts: dict[str, dict[str, Any]] = {
        "endpoint": {"name": NAME, "auth_mode": "key", "traffic": {DEPLOYMENT: 100}},
        "blue": {
            "name": DEPLOYMENT, "endpoint_name": NAME, "instance_type": "Standard_F4s_v2", "instance_count": count,
            "model": {"name": "m", "version": 1, "path": str(repository.absolute()), "type": "triton_model"},
            "tags": {"tritext_model": "sentiment"},
        },
    }  # fmt: skip
    for name, content in texts.items():
        (folder / f"{name}.yml").write_text(json.dumps(content), encoding="utf-8")
    return [str(folder / f"{name}.yml") for name in texts]


class Crowd:
    """Clients that ask all the time, each in a thread with a book of its own."""

    def __init__(self, running: Fleet, texts: Sequence[str]) -> None:
        """Open nothing yet: half of the clients speak gRPC, half REST; of each, every other one asks once only."""
        self._key, self._texts = running.key, texts
        self._stopped = threading.Event()
        self.books = [
            Book(f"{kind} {number}", f"{scheme}://{running.address}", RETRIES * (number % 2))
            for kind, scheme in (("gRPC", "grpc"), ("REST", "http"))
            for number in range(PER_KIND)
        ]
        self._threads = [threading.Thread(target=self._ask, args=(book,), daemon=True) for book in self.books]
        self.seconds = 0.0

    def __enter__(self) -> "Crowd":
        """Begin."""
        self._began = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """End, each client with its last answer."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(2 * TIMEOUT_SECONDS)
        self.seconds = time.monotonic() - self._began

    @property
    def answered(self) -> int:
        """Answers so far."""
        return sum(book.answered for book in self.books)

    def wait_for(self, count: int) -> None:
        """Wait for so many more answers.

        Raises:
            TimeoutError: they do not come.
        """
        goal, deadline = self.answered + count, time.monotonic() + 120
        while self.answered < goal:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.answered} of {goal} answers")
            time.sleep(0.02)

    def _ask(self, book: Book) -> None:
        with Client(book.url, "sentiment", api_key=self._key, retries=book.retries, timeout=TIMEOUT_SECONDS) as client:
            for text in cycle(self._texts):
                if self._stopped.is_set():
                    return
                book.asked += 1
                try:
                    label = client.classify(text).label
                except TritextError as error:
                    book.failed[type(error).__name__] += 1
                else:
                    book.answered += 1
                    book.labels.setdefault(text, set()).add(label)


def fairness(counts: Sequence[int]) -> float:
    """Give Jain's index: 1 where all got the same, 1/n where one got everything."""
    return sum(counts) ** 2 / (len(counts) * sum(each**2 for each in counts)) if any(counts) else 1.0


def even(running: Fleet, texts: Sequence[str], answers: int) -> tuple[Crowd, dict[str, int]]:
    """Load all Tritons; give the clients' books and what each Triton got."""
    before = running.sent()
    with Crowd(running, texts) as crowd:
        crowd.wait_for(answers)
    return crowd, {name: count - before[name] for name, count in running.sent().items()}


def killed(running: Fleet, texts: Sequence[str], answers: int) -> tuple[Crowd, float]:
    """Kill one Triton under load and go on until it is back; give the books and the seconds until it was back."""
    with Crowd(running, texts) as crowd:
        crowd.wait_for(answers)
        victim = running.instances()[0]["pid"]
        os.kill(victim, signal.SIGKILL)
        began = time.monotonic()
        running.wait_until_well(victim)
        back = time.monotonic() - began
        crowd.wait_for(answers)
    return crowd, back


def lines(crowd: Crowd) -> Iterator[str]:
    """Write the table of the clients."""
    yield "| client | asks again | asked | answered | failed |"
    yield "|---|---|---|---|---|"
    for book in crowd.books:
        failed = ", ".join(f"{count} {name}" for name, count in book.failed.items()) or "0"
        yield f"| {book.name} | {book.retries or 'never'} | {book.asked:,} | {book.answered:,} | {failed} |"


def main() -> None:
    """Run both halves and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repository", type=Path)
    parser.add_argument("texts", type=Path)
    parser.add_argument("--tritons", type=int, default=2)
    parser.add_argument("--answers", type=int, default=2000, help="in each half")
    args = parser.parse_args()
    rows = args.texts.read_text(encoding="utf-8").splitlines()[:500]
    texts = [row.split("\t")[0] for row in rows]
    with tempfile.TemporaryDirectory() as folder, fleet(args.repository, Path(folder), args.tritons) as running:
        crowd, sent = even(running, texts, args.answers)
        print(f"## {args.tritons} Tritons: {crowd.answered / crowd.seconds:.0f} answers/s\n")
        for name, count in sent.items():
            print(f"- {name}: {count:,} requests, {count / sum(sent.values()):.1%}")
        each = [book.answered for book in crowd.books]
        print(
            f"- Jain's fairness: {fairness(list(sent.values())):.4f} over Tritons, {fairness(each):.4f} over clients\n"
        )
        print("\n".join(lines(crowd)))
        crowd, back = killed(running, texts, args.answers)
        print(f"\n## One killed under load: well again after {back:.1f} s\n")
        print("\n".join(lines(crowd)))


if __name__ == "__main__":
    main()
