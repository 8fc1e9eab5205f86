"""What `show` does when the supervisor does not."""

import argparse
import socket
from pathlib import Path

import pytest

from tritext_serve.endpoint import rundir
from tritext_serve.endpoint.verbs import show
from tritext_serve.errors import EndpointError


def test_a_supervisor_that_is_held_up_is_told_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(show, "ANSWER_SECONDS", 0.1)
    run, lock = rundir.claim("films")
    with socket.socket(socket.AF_UNIX) as held_up:
        held_up.bind(str(run.control))
        held_up.listen()
        with pytest.raises(
            EndpointError, match="the supervisor does not answer: timed out: see `tritext endpoint logs`"
        ):
            show.run(argparse.Namespace(endpoint=None, json=False, verdict=False))
    rundir.release(run, lock)
