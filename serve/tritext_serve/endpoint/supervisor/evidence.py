"""What a Triton is doing: its processes, its canaries and its counters in, an event of ``state`` out.

A stub that was killed is seen by its process at once; one that hangs, by its canary. A late canary alone proves
nothing: under load it waits like every request. So a model that finishes requests is well, one that computes without
finishing any gets time, and one that does neither hangs.
"""

import contextlib
import http.client
import re
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass

from tritext_serve import canary, processes
from tritext_serve.endpoint.supervisor.state import Answered, Event, Failed, Late, Progress, Reason
from tritext_serve.errors import CanaryError, LateError, WrongAnswerError
from tritext_serve.server import Server

# Seconds of a stub's CPU time between two looks that count as computing; an idle one uses a few milliseconds.
COMPUTING_SECONDS = 0.1
# Seconds that a signal may hold a stub, as a debugger does in passing.
STOPPED_SECONDS = 1.0
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
# Successes alone: a front whose engine hangs still refuses requests, and each refusal is a failure.
_FINISHED = re.compile(r"^nv_inference_request_success\{model=\"([^\"]+)\"[^}]*\} (\d+)", re.MULTILINE)
_PROGRESS = (Progress.FINISHING, Progress.COMPUTING, Progress.NONE)


@dataclass(frozen=True, slots=True)
class Pace:
    """How far a model has come.

    Attributes:
        finished: Requests that it has classified.
        cpu_seconds: What its stubs have computed.
    """

    finished: int = 0
    cpu_seconds: float = 0.0

    def since(self, earlier: "Pace") -> Progress:
        """Say what the model has done since an earlier look."""
        if self.finished > earlier.finished:
            return Progress.FINISHING
        return Progress.COMPUTING if self.cpu_seconds - earlier.cpu_seconds >= COMPUTING_SECONDS else Progress.NONE


class Evidence:
    """What is known of one running server, from when it answered for the first time."""

    def __init__(self, server: Server, timeout: float, observe: Callable[[float], None]) -> None:
        """Look at its processes.

        Args:
            server: A server that has answered.
            timeout: Seconds that a canary's answer may take.
            observe: Is told the seconds of every canary that was answered.
        """
        self._server, self._timeout, self._observe = server, timeout, observe
        self._stubs = processes.stubs(server.pid)
        self._canaries = server.canaries
        self._paces = self._look()
        self._held_since: float | None = None

    def of_processes(self) -> Failed | None:
        """Look whether Triton and all its stubs are there."""
        if ended := self._server.ended():
            return Failed(Reason.DIED, ended)
        for stub in self._stubs:
            if not stub.lives:
                return Failed(Reason.STUB_DIED, f"the stub of {stub.model}, process {stub.process.pid}, has died")
        return self._held(time.monotonic())

    def _held(self, now: float) -> Failed | None:
        held = [stub for stub in self._stubs if stub.is_stopped]
        if not held:
            self._held_since = None
            return None
        self._held_since = now if self._held_since is None else self._held_since
        if now - self._held_since < STOPPED_SECONDS:
            return None
        who = f"the stub of {held[0].model}, process {held[0].process.pid}"
        return Failed(Reason.HUNG, f"{who}, is held by a signal for {STOPPED_SECONDS:g} s")

    def of_canaries(self) -> Event:
        """Ask every canary, one after the other; takes the time-out for each at most."""
        late: list[tuple[str, str]] = []
        for each in self._canaries:
            begun = time.monotonic()
            try:
                canary.check(self._server.http_url, each, self._timeout)
            except LateError as error:
                late.append((each.model, str(error)))
            except WrongAnswerError as error:
                return Failed(Reason.WRONG_ANSWER, str(error))
            except CanaryError as error:
                return Failed(Reason.ERROR, str(error))
            else:
                self._observe(time.monotonic() - begun)
        before, self._paces = self._paces, self._look()
        if not late:
            return Answered()
        done = [self._paces.get(model, Pace()).since(before.get(model, Pace())) for model, _ in late]
        return Late(max(done, key=_PROGRESS.index))  # as well as the worst of them

    def _look(self) -> dict[str, Pace]:
        finished = _read_finished(self._server.metrics_url, self._timeout)
        models = {each.model for each in self._canaries}
        seconds = {model: sum(s.cpu_seconds for s in self._stubs if s.model == model) for model in models}
        return {model: Pace(finished.get(model, 0), seconds[model]) for model in models}


def read_finished(metrics: str) -> dict[str, int]:
    """Add up the requests that each model has classified. Pure.

    Args:
        metrics: Triton's, as Prometheus reads them.
    """
    counts: dict[str, int] = {}
    for model, count in _FINISHED.findall(metrics):
        counts[model] = counts.get(model, 0) + int(count)
    return counts


def _read_finished(url: str, timeout: float) -> dict[str, int]:
    with contextlib.suppress(OSError, http.client.HTTPException), _DIRECT.open(url, timeout=timeout) as response:
        return read_finished(response.read().decode(errors="replace"))
    return {}
