"""The compose command, old or new, and what it makes of our files."""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.engine import run

ROOT = Path(__file__).parents[2]
GPU, CPU = "docker-compose.yml", "docker-compose.cpu.yml"


def commands() -> list[list[str]]:
    """List the compose commands of this machine: 1.29 is ``docker-compose``, the second generation a plugin."""
    found = [["docker-compose"]] if shutil.which("docker-compose") else []
    if shutil.which("docker"):
        plugin = ["docker", "compose"]
        done = subprocess.run([*plugin, "version"], capture_output=True, timeout=30, check=False)
        found += [plugin] if done.returncode == 0 else []
    return found


def command() -> list[str]:
    """Give one of them."""
    found = commands()
    if not found:
        pytest.skip("MISSING: no compose: install docker-compose")
    return found[0]


def rendered(compose: list[str], stack: str, **environment: str) -> dict[str, Any]:
    """Give the services of a stack as compose understands them, with no variable set but those given."""
    services: dict[str, Any] = _configuration(tuple(compose), stack, tuple(environment.items()))["services"]
    return services


def networks(compose: list[str], stack: str) -> dict[str, Any]:
    """Give the networks of a stack."""
    found: dict[str, Any] = _configuration(tuple(compose), stack)["networks"]
    return found


@cache
def _configuration(compose: tuple[str, ...], stack: str, environment: tuple[tuple[str, str], ...] = ()) -> Any:
    """Ask once: it takes a second."""
    ours = ("TRITEXT_", "PROMETHEUS_", "GRAFANA_")
    bare = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    given = {"COMPOSE_PROFILES": "green"} | dict(environment)  # the second generation leaves out what no profile wants
    return yaml.safe_load(run([*compose, "-f", str(ROOT / stack), "config"], 60, bare | given))


def published(service: dict[str, Any]) -> dict[int, tuple[str, int]]:
    """Give a service's ports: the container's to (host address, host port)."""
    ports = {}
    for port in service["ports"]:
        if isinstance(port, dict):
            ports[int(port["target"])] = (str(port.get("host_ip", "0.0.0.0")), int(port["published"]))
        else:
            host, public, inside = ("0.0.0.0:" + port.removesuffix("/tcp")).rsplit(":", 2)
            ports[int(inside)] = (host.removeprefix("0.0.0.0:"), int(public))
    return ports


def mounts(service: dict[str, Any]) -> dict[str, tuple[str, bool]]:
    """Give a service's volumes: the path inside to (source, whether it is read-only)."""
    found = {}
    for volume in service["volumes"]:
        if isinstance(volume, dict):
            found[str(volume["target"])] = (str(volume["source"]), bool(volume.get("read_only", False)))
        else:
            source, target, mode = (volume + ":rw").split(":")[:3]
            found[target] = (source, mode == "ro")
    return found
