"""What an endpoint's supervisor and its Tritons say: how it is split, and what they have counted."""

import re
import time
import urllib.request

from tests.e2e.endpoints import Up


def split(up: Up) -> tuple[dict[str, int], dict[str, int]]:
    """Traffic and mirror as they are."""
    state = up.ask("show")
    return state["traffic"], state["mirror"]


def metric(up: Up, name: str) -> float:
    """Read a metric of the supervisor."""
    with urllib.request.urlopen(f"{up.ask('show')['supervisor']}/metrics", timeout=10) as response:
        lines = response.read().decode().splitlines()
    return float(next((line.rpartition(" ")[2] for line in lines if line.startswith(f"{name} ")), 0))


def finished(up: Up, deployment: str) -> int:
    """How many requests of others than the canary a deployment's Triton has answered; roughly, since it goes on."""
    with urllib.request.urlopen(f"http://127.0.0.1:{up.instance(deployment)['metrics']}/metrics", timeout=10) as said:
        found = re.search(r'^nv_inference_request_success\{model="sentiment",[^}]*\} (\d+)', said.read().decode(), re.M)
    return int(found[1]) if found else 0


def settled(up: Up, deployment: str) -> int:
    """The same, when for a second there were no more than canaries."""
    deadline, now = time.monotonic() + 60, finished(up, deployment)
    while True:
        before = now
        time.sleep(1.0)
        now = finished(up, deployment)
        if now - before <= 5 or time.monotonic() > deadline:
            return now
