"""A whole endpoint under way and a real Prometheus that scrapes it: what the monitoring files are held against."""

import contextlib
import http.client
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from tests.monitoring.expressions import MONITORING
from tritext_serve.ports import steady_ports

NAME = "watched"
START_SECONDS = 240
SCHEMA = "https://azuremlschemas.azureedge.net/latest/managedOnline{}.schema.json"


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A Prometheus that runs."""

    url: str

    def api(self, path: str, **arguments: str) -> Any:
        """Ask its API; a query that cannot be evaluated fails with Prometheus' words."""
        query = urllib.parse.urlencode(arguments)
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{query}", timeout=30) as response:
                return json.load(response)["data"]
        except urllib.error.HTTPError as error:
            pytest.fail(f"{arguments}: {error.read().decode()}")

    def query(self, text: str) -> list[dict[str, Any]]:
        """Evaluate an expression now."""
        series: list[dict[str, Any]] = self.api("query", query=text)["result"]
        return series

    def number(self, text: str) -> float:
        """Evaluate an expression that has one value, or none: then it is nought."""
        series = self.query(text)
        return float(series[0]["value"][1]) if series else 0.0

    def names(self) -> set[str]:
        """The names of all metrics that were ever scraped or recorded."""
        return set(self.api("label/__name__/values"))


@dataclass(frozen=True, slots=True)
class Watched:
    """An endpoint with two deployments.

    Attributes:
        url: Where clients connect.
        key: A valid key.
        prometheus: Who scrapes it.
        folder: Its run directory.
        environment: What its commands need to find it.
    """

    url: str
    key: str
    prometheus: Prometheus
    folder: Path
    environment: Mapping[str, str]

    def ask(self, body: bytes, path: str = "/predict", **headers: str) -> int:
        """Send a request with the key, unless the headers have another; give the status."""
        told = {"authorization": f"Bearer {self.key}", "content-type": "application/json"}
        told |= {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url + path, body, told), timeout=30) as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            return error.code

    def command(self, *arguments: str) -> str:
        """Run one of its verbs."""
        return _command(self.environment, *arguments)


@contextlib.contextmanager
def watched(repository: Path, folder: Path) -> Iterator[Watched]:
    """Run an endpoint with two deployments of a repository, and a Prometheus beside it."""
    if shutil.which("prometheus") is None:
        pytest.skip("MISSING: no prometheus: install prometheus (Debian)")
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(folder)}
    port, prometheus_port = steady_ports(2)
    files = _files(folder, repository)
    run_directory = folder / "tritext" / NAME
    up = [sys.executable, "-m", "tritext", "endpoint", "up", *files, "--listen", f"127.0.0.1:{port}"]
    with (folder / "up.log").open("wb") as log, _running(up, log, environment) as supervisor:
        targets = run_directory / "targets.json"
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: targets.is_file() and _answers(f"{url}/health/ready"), supervisor, folder / "up.log")
        more = {"PROMETHEUS_PORT": str(prometheus_port), "SCRAPE_INTERVAL": "1s"}
        start = [str(MONITORING / "local.sh"), NAME]
        with (folder / "prometheus.log").open("wb") as own_log, _running(start, own_log, environment | more) as process:
            prometheus = Prometheus(f"http://127.0.0.1:{prometheus_port}")
            wait_until(lambda: _answers(f"{prometheus.url}/-/ready"), process, folder / "prometheus.log")
            key = _command(environment, "keys", "show", "primary", "--endpoint", NAME).strip()
            yield Watched(url, key, prometheus, run_directory, environment)


def wait_until(condition: Callable[[], bool], process: psutil.Popen | None = None, log: Path | None = None) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        said = log.read_text(encoding="utf-8", errors="replace")[-2000:] if log else ""
        if process is not None and process.poll() is not None:
            pytest.fail(f"it ended with {process.returncode}: {said}")
        if time.monotonic() > deadline:
            pytest.fail(f"not within {START_SECONDS} s: {said}")
        time.sleep(0.2)


def _command(environment: Mapping[str, str], *arguments: str) -> str:
    words = [sys.executable, "-m", "tritext", "endpoint", *arguments]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, env=dict(environment), check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextlib.contextmanager
def _running(command: list[str], log: Any, environment: Mapping[str, str]) -> Iterator[psutil.Popen]:
    process = psutil.Popen(command, stdout=log, stderr=log, env=dict(environment))
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(60)


def _files(folder: Path, repository: Path) -> list[str]:
    documents: dict[str, dict[str, Any]] = {
        "endpoint.yml": {"name": NAME, "auth_mode": "key", "traffic": {"blue": 100}},
    }
    for deployment in ("blue", "green"):
        model = {"name": "sentiment", "version": 1, "path": str(repository), "type": "triton_model"}
        documents[f"{deployment}.yml"] = {
            "name": deployment,
            "endpoint_name": NAME,
            "model": model,
            "tags": {"tritext_model": "sentiment"},
            "instance_type": "Standard_F4s_v2",
            "instance_count": 1,
        }
    for name, document in documents.items():
        kind = SCHEMA.format("Endpoint" if name == "endpoint.yml" else "Deployment")
        (folder / name).write_text(yaml.safe_dump({"$schema": kind, **document}))
    return [str(folder / name) for name in documents]


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return bool(response.status == 200)
    except (OSError, http.client.HTTPException):
        return False
