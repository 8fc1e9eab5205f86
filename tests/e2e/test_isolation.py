"""A real Triton between the walls: it classifies for who may ask, and reaches nobody that it may not."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.serve.endpoint.isolation.endpoints import endpoint
from tests.serve.endpoint.isolation.world import KEY, World, places, setting, world
from tritext_serve.endpoint.isolation import layout, matrix, namespaces

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

PREFIX = namespaces.own_prefix("walls")
START_SECONDS = 120


@pytest.fixture(scope="module")
def standing(model_repository: Path) -> Iterator[World]:
    """Blue is `tritext serve` in a namespace of its own, as it is started anywhere else."""
    if why := namespaces.missing():
        pytest.skip(f"MISSING: {why}")
    start = setting(endpoint(), PREFIX)
    blue = replace(
        start, real={"blue": [sys.executable, "-m", "tritext", "serve", str(model_repository), "--host", "0.0.0.0"]}
    )
    with world(blue) as running:
        yield running
    assert namespaces.standing(PREFIX) == []


def classify(standing: World, text: str) -> dict[str, object]:
    """Ask as a client does: by the private listener, with the key."""
    url = f"http://{layout.PRIVATE_LISTENER}:{layout.EDGE_PORT}/predict"
    headers = ["--header", f"Authorization: Bearer {KEY}", "--header", "Content-Type: application/json"]
    command = ["curl", "--silent", "--max-time", "20", *headers, "--data", json.dumps({"text": text}), url]
    done = subprocess.run(standing.network.enter(command, "client"), capture_output=True, text=True, check=False)
    answer: dict[str, object] = json.loads(done.stdout or "{}")
    return answer


def test_a_client_gets_its_labels_through_the_walls(standing: World) -> None:
    deadline = time.monotonic() + START_SECONDS
    while "sentiment" not in (answer := classify(standing, "A warm, funny and moving film.")):
        assert time.monotonic() < deadline, answer
        time.sleep(0.2)
    assert answer["sentiment"] == "positive"
    assert classify(standing, "A dull, lifeless mess.")["sentiment"] == "negative"


def test_every_probe_holds_around_a_real_triton(standing: World) -> None:
    probes = (*matrix.probes(places(standing.setting)), *matrix.filtered_probes(places(standing.setting)))
    words = [(probe, standing.ask(probe)) for probe in probes]
    assert {probe.name: word for probe, word in words if not probe.holds(word)} == {}


def test_its_processes_are_where_the_walls_are(standing: World) -> None:
    name = standing.network.plan.kernel_name("deployment-blue")
    pids = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True, check=True).stdout.split()
    commands = [Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip() for pid in pids]
    assert "tritonserver" in commands
    assert any(command.startswith("triton_python") for command in commands)
