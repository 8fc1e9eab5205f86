"""The Triton of NVIDIA's image, watched: what its command is given, and that it is started again."""

import json
import signal
import sys
from pathlib import Path

import pytest

from tests.serve.endpoint.edge.test_routing import wait_for
from tests.serve.endpoint.watch import standin
from tests.serve.endpoint.watch.watched import repository_with_canary, watching
from tritext_serve.endpoint.supervisor.state import Phase, Reason, State
from tritext_serve.endpoint.watch import image
from tritext_serve.endpoint.watch.watcher import has_served

WAIT_SECONDS = 120
MODULE = "tritext_serve.endpoint.watch.image"


def test_it_is_started_with_its_ports_and_again_when_it_dies(tmp_path: Path) -> None:
    models, flags = repository_with_canary(tmp_path / "models"), tmp_path / "flags"
    command = (sys.executable, standin.__file__, str(flags), "--model-config-name=gpu")
    words = ("--repository", str(models), "--deployment", "blue", "--health-host", "127.0.0.1", "PORTS", "--", *command)
    with watching(tmp_path, MODULE, *words) as watched:
        wait_for(lambda: watched.well, WAIT_SECONDS)
        given = dict(flag.split("=", 1) for flag in json.loads(flags.read_text()))
        assert given["--model-config-name"] == "gpu"
        region = Path("/dev/shm", given["--backend-config"].partition("prefix-name=")[2])
        assert region.exists()
        (triton,) = watched.children
        triton.kill()
        wait_for(lambda: triton not in watched.children and watched.well, WAIT_SECONDS)
        (again,) = watched.children
        # A canary under way may see it before the look at the processes does.
        restarts = [
            watched.told(f'tritext_restarts_total{{deployment="blue",reason="{r}"}}') for r in ("died", "error")
        ]
        assert sum(restarts) >= 1
        watched.process.send_signal(signal.SIGINT)
        assert watched.process.wait(WAIT_SECONDS) == 0
        assert not again.is_running()
        assert not region.exists()


@pytest.mark.parametrize(
    ("state", "served"),
    [
        (State(), False),
        (State(Phase.STARTING, restarts=1, reason=Reason.START), False),
        (State(Phase.WAITING, restarts=1, reason=Reason.WRONG_ANSWER), False),
        (State(Phase.SERVING), True),
        (State(Phase.STARTING, restarts=1, reason=Reason.DIED), True),  # it has come and gone between two looks
        (State(Phase.ILL, restarts=1, reason=Reason.HUNG), True),
    ],
)
def test_who_has_served_is_not_taken_for_stillborn(state: State, served: bool) -> None:
    assert has_served(state) is served


def test_a_command_that_refuses_ends_it(tmp_path: Path) -> None:
    models = repository_with_canary(tmp_path / "models")
    with watching(tmp_path, MODULE, "--repository", str(models), "PORTS", "--", "sh", "-c", "exit 1") as watched:
        assert watched.process.wait(WAIT_SECONDS) == 1
        assert watched.log.read_text().splitlines()[-1].startswith("tritext: tritonserver did not start")


def test_what_cannot_be_read_is_refused_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert image.main(["--repository", str(tmp_path), "--", "false"]) == 1
    assert capsys.readouterr().err.startswith(f"tritext: {tmp_path}: holds no model to serve")


def test_a_name_that_nobody_could_ask_for_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = repository_with_canary(tmp_path / "models")
    assert image.main(["--repository", str(root), "--deployment", "my_blue", "--", "false"]) == 1
    assert capsys.readouterr().err == "tritext: --deployment 'my_blue': use letters, digits and dashes\n"
