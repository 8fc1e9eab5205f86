"""A `tritext endpoint up` in a process of its own, as a user starts it, and clients that ask it all the time."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from tritext_serve import processes
from tritext_serve.endpoint import control, keys
from tritext_serve.endpoint.rundir import RunDirectory
from tritext_serve.ports import steady_ports

COMMAND = (sys.executable, "-m", "tritext", "endpoint")
TARGET = "azureml-model-deployment"
NAME = "films"
TYPE = {"instance_type": "Standard_F4s_v2"}
# What the demo's model says of them, sure enough that no batch and no precision changes it.
LABELS = {
    "A wonderful film, moving and funny.": "positive",
    "The best thing I have seen this year.": "positive",
    "Dull, endless and badly acted.": "negative",
    "A complete waste of two hours.": "negative",
}


class Up:
    """One running endpoint.

    Attributes:
        around: A command that starts another, such as this one, somewhere else.
    """

    around: tuple[str, ...] = ()

    def __init__(self, folder: Path, repository: Path, *arguments: str, **endpoint: Any) -> None:
        """Write its files and start it; `announcement` waits until it serves.

        Args:
            folder: For its files and its run directory.
            repository: What blue and green serve.
            arguments: More for `up`.
            endpoint: ``traffic``, ``mirror_traffic`` and ``deployments``, names.
        """
        self.folder, self.repository = folder, repository
        self.environment = dict(os.environ, XDG_RUNTIME_DIR=str(folder))
        self.url = f"127.0.0.1:{steady_ports(1)[0]}"
        names: Sequence[str] = endpoint.pop("deployments", ("blue", "green"))
        files = self.write(names, **({"traffic": {names[0]: 100}} | endpoint))
        with (folder / "up.out").open("w") as output, (folder / "up.err").open("w") as errors:
            self.process = subprocess.Popen(
                processes.bound_to_parent(
                    [*self.around, *COMMAND, "up", *map(str, files), "--listen", self.url, *arguments]
                ),
                stdout=output,
                stderr=errors,
                env=self.environment,
            )
        self.members: list[psutil.Process] = []

    @property
    def run(self) -> RunDirectory:
        """Its run directory."""
        return RunDirectory(self.folder / "tritext" / NAME)

    @property
    def key(self) -> str:
        """A key that it accepts."""
        return keys.read(self.run.keys)["primary"]

    def write(self, deployments: Sequence[str], **endpoint: Any) -> list[Path]:
        """Write the files of an endpoint, and say where they are."""
        content: dict[str, Any] = {"name": NAME, "auth_mode": "key"} | endpoint
        files = [self._write("endpoint", content)]
        for name in deployments:
            model = {"name": "m", "version": 1, "path": str(self.repository), "type": "triton_model"}
            files.append(
                self._write(name, {"name": name, "endpoint_name": NAME, "model": model, "instance_count": 1} | TYPE)
            )
        return files

    def announcement(self) -> str:
        """Wait until it says that it serves."""
        deadline = time.monotonic() + 240
        while "\nstop " not in (said := (self.folder / "up.out").read_text(encoding="utf-8")):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.folder / "up.err").read_text(encoding="utf-8"))
            time.sleep(0.05)
        self.take_stock()
        return said

    def take_stock(self) -> None:
        """Remember what must be gone when it has stopped."""
        self.members = psutil.Process(self.process.pid).children(recursive=True)

    def verb(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run another verb, as a user does."""
        return subprocess.run(
            [*COMMAND, *words], env=self.environment, capture_output=True, text=True, timeout=240, check=False
        )

    def ask(self, verb: str, **request: Any) -> dict[str, Any]:
        """Ask the supervisor without starting a Python for it."""
        return control.ask(self.run.control, {"verb": verb, **request}, timeout=120)

    def instance(self, deployment: str) -> dict[str, Any]:
        """How a deployment's only instance stands."""
        found: dict[str, Any] = next(d for d in self.ask("show")["deployments"] if d["name"] == deployment)
        return dict(found["instances"][0])

    def stub(self, deployment: str, model: str = "sentiment") -> psutil.Process:
        """The process that computes a deployment's model."""
        return next(s.process for s in processes.stubs(self.instance(deployment)["pid"]) if s.model == model)

    def predict(self, text: str, **headers: str) -> tuple[int, Mapping[str, str], Any]:
        """Ask ``/predict`` once; header names are written with underscores."""
        with contextlib.closing(Client(self)) as client:
            return client.predict(text, **headers)

    def end(self, number: signal.Signals) -> int:
        """Send a signal and wait."""
        self.process.send_signal(number)
        return self.process.wait(timeout=60)

    def left_behind(self) -> list[object]:
        """Processes, regions, files and folders that should be gone."""
        _, alive = psutil.wait_procs(self.members, timeout=60)
        mine = f"tritext-serve-{self.process.pid}-*"
        stages = [*Path(os.environ.get("TMPDIR", "/tmp")).glob(mine), *Path("/dev/shm").glob(mine)]
        # Another worker's groups come and go meanwhile, which `walk` bears and `glob` does not.
        groups = [at for at, *_ in os.walk("/sys/fs/cgroup") if at.endswith(f"/tritext-{NAME}-{self.process.pid}")]
        own = [*groups, *(path for path in (self.run.path, self.run.path.parent) if path.exists())]
        return [*alive, *stages, *own]

    def close(self) -> None:
        """End it whatever happens."""
        if self.process.poll() is None:
            self.end(signal.SIGTERM)

    def _write(self, name: str, content: Mapping[str, Any]) -> Path:
        path = self.folder / f"{name}.yml"
        path.write_text(json.dumps(content), encoding="utf-8")  # JSON is YAML
        return path


class Client:
    """One connection that asks again and again, as cheaply as Python can: the machine is busy enough."""

    def __init__(self, up: Up) -> None:
        """Connect when first asked."""
        self._where = up.url.split(":")
        self._key = up.key
        self._socket: socket.socket | None = None
        self._buffer = b""

    def predict(self, text: str, **headers: str) -> tuple[int, Mapping[str, str], Any]:
        """Ask once.

        Returns:
            Status, headers by lower-case name, and the body.

        Raises:
            OSError: the connection broke.
        """
        body = json.dumps({"text": text}).encode()
        more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        head = (
            f"POST /predict HTTP/1.1\r\nHost: {NAME}\r\nAuthorization: Bearer {self._key}\r\n{more}"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        if self._socket is None:
            self._socket = socket.create_connection((self._where[0], int(self._where[1])), timeout=30)
            self._buffer = b""
        self._socket.sendall(head.encode() + body)
        return self._read()

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _read(self) -> tuple[int, Mapping[str, str], Any]:
        head = self._until(lambda data: data.find(b"\r\n\r\n") + 4 if b"\r\n\r\n" in data else 0)
        first, *lines = head.decode("latin-1").strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if headers.get("transfer-encoding") == "chunked":
            body = b"".join(iter(self._chunk, b""))
        else:
            body = self._exactly(int(headers.get("content-length", "0")))
        if headers.get("connection") == "close":
            self.close()
        return int(first.split()[1]), headers, json.loads(body or b"null")

    def _chunk(self) -> bytes:
        size = int(self._until(lambda data: data.find(b"\r\n") + 2 if b"\r\n" in data else 0), 16)
        return self._exactly(size + 2)[:size]

    def _exactly(self, size: int) -> bytes:
        return self._until(lambda data: size if len(data) >= size else 0) if size else b""

    def _until(self, complete: Any) -> bytes:
        while not (size := complete(self._buffer)):
            data = self._socket.recv(65536) if self._socket is not None else b""
            if not data:
                self.close()
                raise ConnectionResetError("the edge closed the connection")
            self._buffer += data
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken


class Load:
    """Clients in threads that ask for known texts, and what they were told."""

    def __init__(self, up: Up, clients: int = 16, target: str = "", pause: float = 0.0) -> None:
        """Ask nothing yet.

        Args:
            up: Whom to ask.
            clients: How many at once.
            target: A deployment, or "" for whom the traffic chooses.
            pause: Seconds between two questions of a client.
        """
        self._up, self._pause = up, pause
        self._headers = {TARGET: target} if target else {}
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]
        self.statuses: Counter[int] = Counter()
        self.served: Counter[str] = Counter()
        self.wrong: list[object] = []
        self.good_at: list[float] = []

    @property
    def total(self) -> int:
        """Questions so far."""
        return sum(self.statuses.values())

    def __enter__(self) -> "Load":
        """Begin."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """End."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, count: int, timeout: float = 60.0) -> None:
        """Wait until so many more questions have been asked, for as long as some are answered."""
        seen = self.total
        goal, deadline = seen + count, time.monotonic() + timeout
        while (now := self.total) < goal:
            if now > seen:
                seen, deadline = now, time.monotonic() + timeout
            if time.monotonic() > deadline:
                raise TimeoutError(f"{now} of {goal} requests")
            time.sleep(0.02)

    def _run(self) -> None:
        client, texts = Client(self._up), _endless(list(LABELS.items()))
        while not self._stopped.is_set():
            text, label = next(texts)
            try:
                status, headers, body = client.predict(text, **self._headers)
            except (OSError, ValueError):
                client.close()
                status, headers, body = 0, {}, None
            with self._lock:
                self._note(status, headers, body, text, label)
            if self._pause:
                time.sleep(self._pause)
        client.close()

    def _note(self, status: int, headers: Mapping[str, str], body: Any, text: str, label: str) -> None:
        self.statuses[status] += 1
        if status != 200:
            return
        self.served[headers.get(TARGET, "")] += 1
        self.good_at.append(time.monotonic())
        if (body["text"], body.get("sentiment", body.get("label"))) != (text, label):
            self.wrong.append(body)


def _endless(items: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    while True:
        yield from items
