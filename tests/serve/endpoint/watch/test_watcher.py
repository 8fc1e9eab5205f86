"""The embedded Triton, watched as the CPU image does it: health, metrics, a killed stub, SIGTERM."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.serve.endpoint.edge.test_routing import wait_for
from tests.serve.endpoint.watch.watched import Watched, repository_with_canary, watching
from tritext_serve import processes, wheel
from tritext_serve.errors import PlatformError

WAIT_SECONDS = 120


@contextmanager
def watch(folder: Path, repository: Path) -> Iterator[Watched]:
    """Run what the CPU image's entry point runs."""
    try:
        wheel.find()
    except PlatformError as error:
        pytest.skip(f"MISSING: {error}")
    words = ("endpoint", "watch", str(repository), "--deployment", "blue", "PORTS")
    with watching(folder, "tritext", *words, "--instances", "1") as watched:
        yield watched


@pytest.fixture(scope="module")
def watched(model_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with watch(tmp_path_factory.mktemp("watch"), model_repository) as running:
        wait_for(lambda: running.well, WAIT_SECONDS)
        yield running


def stubs(watched: Watched) -> list[processes.Stub]:
    """Find its Triton's stubs."""
    return [stub for child in psutil.Process(watched.process.pid).children() for stub in processes.stubs(child.pid)]


def test_it_says_how_its_deployment_is_and_of_nobody_else(watched: Watched) -> None:
    assert json.loads(watched.get("/health/blue/0")[1]) == {"state": "serving", "reason": ""}
    assert watched.get("/health")[0] == 200
    for path in ("/health/green/0", "/health/blue/1", "/v2/health/ready", "/"):
        assert watched.get(path)[0] == 404


def test_its_metrics_are_the_supervisors(watched: Watched) -> None:
    assert watched.told('tritext_deployment_up{deployment="blue"}') == 1
    assert watched.told('tritext_instance_state{deployment="blue",number="0",state="serving"}') == 1
    assert watched.told('tritext_memory_bytes{deployment="blue"}') > 1e8
    wait_for(lambda: watched.told('tritext_canary_seconds_count{deployment="blue"}') >= 2, WAIT_SECONDS)
    page = watched.get("/metrics")[1]
    assert 'tritext_expected_label_share{deployment="blue",label="positive",model="sentiment"} 0.' in page
    # What it does not know it does not claim: the ingress' files say that.
    assert not any(name in page for name in ("tritext_keys", "tritext_applied", "tritext_traffic_share{"))


def test_a_port_that_is_taken_is_named(tmp_path: Path, model_repository: Path, watched: Watched) -> None:
    words = ["endpoint", "watch", str(model_repository), "--health-port", str(watched.port)]
    done = subprocess.run(
        [sys.executable, "-m", "tritext", *words], capture_output=True, text=True, timeout=WAIT_SECONDS, check=False
    )
    assert done.returncode == 1
    assert f"127.0.0.1:{watched.port}: Address already in use: choose another with --health-port" in done.stderr


def test_a_killed_stub_is_seen_and_its_triton_started_again(watched: Watched) -> None:
    former = stubs(watched)
    former[0].process.kill()
    # By its count, for it may be well again between two looks.
    wait_for(lambda: watched.told('tritext_restarts_total{deployment="blue",reason="stub_died"}') == 1, WAIT_SECONDS)
    wait_for(lambda: watched.well, WAIT_SECONDS)
    assert not {each.process.pid for each in former} & {each.process.pid for each in stubs(watched)}
    wait_for(lambda: not any(child.status() == psutil.STATUS_ZOMBIE for child in watched.children), WAIT_SECONDS)


def test_sigterm_is_said_first_and_then_ends_all_of_it(watched: Watched) -> None:
    children = watched.children
    watched.process.send_signal(signal.SIGTERM)
    wait_for(lambda: '"stopping"' in watched.get("/health/blue/0")[1], WAIT_SECONDS)
    assert all(processes.lives(child) for child in children)  # it still answers what it is asked
    watched.process.send_signal(signal.SIGTERM)  # a second one changes nothing
    assert watched.process.wait(WAIT_SECONDS) == 0
    assert not any(processes.lives(child) for child in children)
    assert not list(watched.log.parent.glob("tritext-serve-*"))


def test_what_never_comes_up_ends_it_with_the_reason(tmp_path: Path) -> None:
    with watch(tmp_path, repository_with_canary(tmp_path / "models")) as watched:  # its graph is no graph
        assert watched.process.wait(WAIT_SECONDS) == 1
        last = watched.log.read_text().splitlines()[-1]
        assert last.startswith("tritext endpoint: tritonserver did not start: ")
