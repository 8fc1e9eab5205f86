"""A network that stands, with servers in it and somebody in each namespace who can try to reach them."""

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.serve.endpoint.isolation import standins
from tritext_serve.endpoint import egress
from tritext_serve.endpoint.edge import Edge, Listener, process, render
from tritext_serve.endpoint.edge import files as edge_files
from tritext_serve.endpoint.edge.routes import KEY_FILTER
from tritext_serve.endpoint.isolation import layout, matrix, prober
from tritext_serve.endpoint.isolation.layout import HEALTH_PORT, METRICS_PORT, Site, deployment_namespace
from tritext_serve.endpoint.isolation.namespaces import Network
from tritext_serve.endpoint.isolation.plan import Plan
from tritext_serve.endpoint.model import Endpoint, Upstream

KEY = "a-key-of-the-tests-and-of-nothing-else-0123456789"
START_SECONDS = 60
FORBIDDEN = "evil.example"
INSIDE = "inside.example"
INTERNET = {
    "allowed.example": "198.51.100.10",
    "deep.wild.example": "198.51.100.11",
    "reading.vault.azure.net": "198.51.100.12",
    FORBIDDEN: "198.51.100.20",
    INSIDE: "10.60.17.6",  # green, as the egress would reach it
}
SERVICE = "devacct.blob.core.windows.net"
ALLOWED = ("allowed.example", "deep.wild.example", "reading.vault.azure.net")


@dataclass(frozen=True, slots=True)
class Setting:
    """Everything that one run of the matrix depends on.

    Attributes:
        endpoint: What was asked for.
        plan: Its network.
        out: The egress proxy.
        keyless: Whether the edge asks nobody for a key.
        real: Commands that serve a deployment instead of a stand-in.
    """

    endpoint: Endpoint
    plan: Plan
    out: egress.Egress
    keyless: bool = False
    real: Mapping[str, list[str]] = field(default_factory=dict, hash=False)


def setting(endpoint: Endpoint, prefix: str) -> Setting:
    """Follow the files."""
    return Setting(endpoint, layout.lay_out(endpoint, Site(prefix, INTERNET)), layout.doorways(endpoint))


def places(of: Setting) -> matrix.Places:
    """Say where everything is."""
    endpoint, plan = of.endpoint, of.plan
    doors = {door.deployment: door.address for door in of.out.doorways}
    cells = tuple(
        matrix.Cell(
            deployment_namespace(name),
            plan.address(deployment_namespace(name), "ingress"),
            plan.address(deployment_namespace(name), "monitor"),
            doors.get(name, ""),
        )
        for name in endpoint.deployments
    )
    return matrix.Places(
        layout.PRIVATE_LISTENER, layout.PUBLIC_LISTENER, layout.EDGE_PORT, endpoint.public_network_access == "enabled",
        plan.address("ingress", "monitor"), cells, ALLOWED, FORBIDDEN, INSIDE, INTERNET[FORBIDDEN], layout.ROUTER,
        SERVICE, KEY,
    )  # fmt: skip


class World:
    """The network of a setting and those who live in it."""

    def __init__(self, stack: ExitStack, initial: Setting, folder: Path) -> None:
        self.folder = folder
        self.setting = initial
        self.network = stack.enter_context(Network(initial.plan))
        self._stack = stack
        self._probers: dict[str, subprocess.Popen[str]] = {}
        self._envoys: dict[str, subprocess.Popen[str]] = {}
        certificate, key = self._certificate()
        tls = {"tls": [443], "certificate": str(certificate), "key": str(key)}
        self._serve("outside", {"names": [53], **tls})
        self._serve("private", {"http": [8080], **tls})
        self._serve("monitor", {"http": [HEALTH_PORT]})
        for name in initial.endpoint.deployments:
            if name in initial.real:
                self._run(deployment_namespace(name), initial.real[name])
                self._serve(deployment_namespace(name), {"http": [HEALTH_PORT], **tls})
            else:
                self._serve(deployment_namespace(name), {"http": [8000, 8001, METRICS_PORT, HEALTH_PORT], **tls})
        self._start_edge()
        self._start_egress()

    def ask(self, probe: matrix.Probe) -> str:
        """Make a probe's attempt and give the word for what happened."""
        if probe.who not in self._probers:
            command = [sys.executable, "-I", "-S", prober.__file__]
            self._probers[probe.who] = self._run(probe.who, command)
        running = self._probers[probe.who]
        assert running.stdin is not None
        assert running.stdout is not None
        running.stdin.write(json.dumps(probe.question) + "\n")
        running.stdin.flush()
        return running.stdout.readline().strip()

    def logged(self, *words: str) -> bool:
        """Tell whether the egress has written a line with all these words; it writes with a delay."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            lines = (self.folder / "egress-access.log").read_text(encoding="utf-8").splitlines()
            if any(all(word in line for word in words) for line in lines):
                return True
            time.sleep(0.1)
        return False

    def sleeper(self, command: list[str]) -> subprocess.Popen[bytes]:
        """Start somebody who does nothing, and see that it has an end."""
        started = subprocess.Popen(command)
        self._stack.callback(started.wait, 60)
        self._stack.callback(started.terminate)
        return started

    def become(self, into: Setting) -> None:
        """Be another setting from now on; what does not differ is left alone."""
        before, self.setting = self.setting, into
        self.network.become(into.plan)
        if into.out != before.out:
            self._start_egress()
        if (into.endpoint.public_network_access, into.keyless) != (
            before.endpoint.public_network_access,
            before.keyless,
        ):
            self._start_edge()

    def _start_egress(self) -> None:
        files = egress.render(replace(self.setting.out, log_path=str(self.folder / "egress-access.log")))
        path = self.folder / "egress.json"
        path.write_text(files["egress.json"], encoding="utf-8")
        self._envoy("egress", path, "http://127.0.0.1:9901/ready")

    def _start_edge(self) -> None:
        endpoint, plan = self.setting.endpoint, self.setting.plan
        listeners = [Listener(layout.PRIVATE_LISTENER, layout.EDGE_PORT)]
        if endpoint.public_network_access == "enabled":
            listeners.append(Listener(layout.PUBLIC_LISTENER, layout.EDGE_PORT))
        health = plan.address("monitor", "ingress")
        upstreams = tuple(
            Upstream(name, plan.address(deployment_namespace(name), "ingress"), 8000, 8001, HEALTH_PORT, health)
            for name in endpoint.deployments
        )
        stats = plan.address("ingress", "monitor")
        folder = self.folder / "edge"
        folder.mkdir(exist_ok=True, mode=0o700)
        edge = Edge(
            endpoint, upstreams, {"test": KEY}, tuple(listeners), egress.STATS_PORT,
            log_path=str(self.folder / "access.log"), stats_host=stats, directory=str(folder),
        )  # fmt: skip
        files = render(edge)
        if self.setting.keyless:
            files = {name: without_keys(text) for name, text in files.items()}
        edge_files.write(folder, files)
        (folder / "admin.sock").unlink(missing_ok=True)
        self._envoy("ingress", folder / "bootstrap.json", f"http://{stats}:{egress.STATS_PORT}/ready")

    def _envoy(self, where: str, path: Path, ready: str) -> None:
        """Start an Envoy in place of the one that may run there, and wait until it has its configuration."""
        if where in self._envoys:
            self._end(self._envoys.pop(where))
        log = self.folder / f"{where}.log"
        flags = ["--disable-hot-restart", "--concurrency", "1", "--log-path", str(log), "--log-level", "warn"]
        self._envoys[where] = self._run(where, [str(process.binary()), "--config-path", str(path), *flags])
        deadline = time.monotonic() + START_SECONDS
        command = self.network.enter(["curl", "--silent", "--fail", "--max-time", "2", ready], where)
        while subprocess.run(command, capture_output=True, check=False).returncode:
            assert time.monotonic() < deadline, log.read_text(encoding="utf-8")
            assert self._envoys[where].poll() is None, log.read_text(encoding="utf-8")
            time.sleep(0.05)

    def _serve(self, where: str, told: Mapping[str, object]) -> None:
        started = self._run(where, [sys.executable, "-I", "-S", standins.__file__, json.dumps(told)])
        assert started.stdout is not None
        assert started.stdout.readline() == "serving\n"

    def _run(self, where: str, command: list[str]) -> subprocess.Popen[str]:
        started = subprocess.Popen(
            self.network.enter(command, where), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._stack.callback(self._end, started)
        return started

    @staticmethod
    def _end(running: subprocess.Popen[str]) -> None:
        running.terminate()
        running.communicate(timeout=60)

    def _certificate(self) -> tuple[Path, Path]:
        certificate, key = self.folder / "certificate.pem", self.folder / "key.pem"
        words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=stand-in"
        command = ["openssl", *words.split(), "-keyout", str(key), "-out", str(certificate)]
        subprocess.run(command, check=True, capture_output=True, timeout=30)
        return certificate, key


def without_keys(text: str) -> str:
    """Take the filter that asks for keys out of Envoy's files."""

    def strip(value: object) -> object:
        if isinstance(value, dict):
            return {name: strip(each) for name, each in value.items() if name != KEY_FILTER}
        if isinstance(value, list):
            return [strip(each) for each in value if not (isinstance(each, dict) and each.get("name") == KEY_FILTER)]
        return value

    return json.dumps(strip(json.loads(text)))


@contextlib.contextmanager
def world(initial: Setting) -> Iterator[World]:
    """Build it and take it down again."""
    with tempfile.TemporaryDirectory(prefix="tritext-world-") as folder, ExitStack() as stack:
        yield World(stack, initial, Path(folder))
