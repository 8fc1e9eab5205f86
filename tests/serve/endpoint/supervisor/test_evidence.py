"""What a Triton is doing, seen on a real one."""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import server_options
from tritext_serve import processes
from tritext_serve.endpoint.supervisor.evidence import COMPUTING_SECONDS, Evidence, Pace, read_finished
from tritext_serve.endpoint.supervisor.state import Answered, Failed, Late, Progress, Reason
from tritext_serve.server import Server

METRICS = """\
# TYPE nv_inference_request_success counter
nv_inference_request_success{model="sentiment",version="1"} 40
nv_inference_request_success{model="sentiment",version="2"} 2
nv_inference_request_success{model="naive",version="1"} 7
nv_inference_request_failure{model="naive",reason="OTHER",version="1"} 99
"""


def test_requests_are_added_up_by_model_and_refusals_are_no_work() -> None:
    assert read_finished(METRICS) == {"sentiment": 42, "naive": 7}


@pytest.mark.parametrize(
    ("later", "progress"),
    [
        (Pace(6, 1.0), Progress.FINISHING),
        (Pace(5, 1.0 + COMPUTING_SECONDS), Progress.COMPUTING),
        (Pace(5, 1.0 + COMPUTING_SECONDS / 2), Progress.NONE),
    ],
)
def test_what_was_done_since_an_earlier_look(later: Pace, progress: Progress) -> None:
    assert later.since(Pace(5, 1.0)) is progress


@pytest.fixture
def own(model_repository: Path) -> Iterator[Server]:
    """A Triton for one test to hurt."""
    server = Server(model_repository, server_options())
    server.start()
    yield server
    server.stop(0.0)


def test_another_label_than_at_export_is_a_failure(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = [replace(each, label_id=1 - each.label_id) for each in server.canaries]
    monkeypatch.setattr(Server, "canaries", property(lambda self: wrong))
    seen = Evidence(server, 60.0, lambda seconds: None).of_canaries()
    assert isinstance(seen, Failed)
    assert seen.reason is Reason.WRONG_ANSWER


def test_a_well_server_is_well_a_held_one_is_late_and_a_killed_stub_is_seen_at_once(own: Server) -> None:
    seconds: list[float] = []
    evidence = Evidence(own, 10.0, seconds.append)
    assert evidence.of_processes() is None
    assert evidence.of_canaries() == Answered()
    assert len(seconds) == 2
    stub = next(stub.process for stub in processes.stubs(own.pid) if stub.model == "sentiment")
    stub.send_signal(signal.SIGSTOP)
    unhealthy = evidence.of_canaries()  # Triton itself says so, after a second
    assert isinstance(unhealthy, Failed)
    assert unhealthy.reason is Reason.ERROR
    assert evidence.of_processes() is None
    time.sleep(1.1)
    held = evidence.of_processes()
    assert isinstance(held, Failed)
    assert held.reason is Reason.HUNG
    stub.kill()
    deadline = time.monotonic() + 60
    while not isinstance(seen := evidence.of_processes(), Failed) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert isinstance(seen, Failed)
    assert seen.reason is Reason.STUB_DIED
    assert str(stub.pid) in seen.detail


def test_a_server_that_ends_by_itself_is_seen_with_its_status(own: Server) -> None:
    evidence = Evidence(own, 1.0, lambda seconds: None)
    own.interrupt()
    deadline = time.monotonic() + 60
    while not (seen := evidence.of_processes()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert isinstance(seen, Failed)
    assert seen.reason in (Reason.DIED, Reason.STUB_DIED)


def test_a_server_that_neither_answers_nor_works_is_late(own: Server) -> None:
    evidence = Evidence(own, 0.5, lambda seconds: None)
    os.kill(own.pid, signal.SIGSTOP)
    try:
        assert evidence.of_canaries() == Late(Progress.NONE)
    finally:
        os.kill(own.pid, signal.SIGCONT)
