"""The same matrix between containers: real Tritons, ingress and egress, and four strangers who try to reach them.

A wall here is a network that two containers do not share; each probe that must not come through is made again with the
asker on the target's network, where it must.
"""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.deploy.base_image import Bases
from tests.deploy.conftest import ALLOWED, SUBNET, Stack
from tests.deploy.engine import Engine, run
from tests.serve.endpoint.isolation import standins
from tests.serve.endpoint.isolation.world import without_keys
from tritext_serve.endpoint.isolation import matrix, prober
from tritext_serve.endpoint.isolation.containers import PUBLIC_PORT, Ground
from tritext_serve.endpoint.isolation.matrix import Cell, Places, Probe
from tritext_serve.endpoint.passage import PASSAGE

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(900)]

GROUND = Ground(SUBNET)
FORBIDDEN = "evil.example"
NAMES = ("allowed.example", "deep.wild.example", FORBIDDEN)
TRAP = "trap.wild.example"  # a name that may be reached, at an address that may not
# `outbound` is a private network, and its gateway is not a test's to use: what stands for the internet is on one
# more network of the egress, with addresses that are nobody's.
INTERNET, INTERNET_SUBNET = "198.51.100.99", "198.51.100.0/24"
# Each stranger's network and what it serves there.
STRANGERS: dict[str, tuple[str, list[str]]] = {
    "client": ("private", []),
    "outside": ("public", []),
    "monitor": ("monitoring", []),
    "internet": ("internet", [f"--ip={INTERNET}", *(f"--network-alias={name}" for name in NAMES)]),
    "inside": ("outbound", [f"--network-alias={TRAP}"]),
}
WAIT_SECONDS = 60


def places(public: bool = False) -> Places:
    """Say where everything is; the key is put in when a probe is made."""
    cells = tuple(Cell(name, GROUND.triton(name), "", GROUND.doorway(name)) for name in ("blue", "green"))
    return Places(
        GROUND.private, GROUND.public, PUBLIC_PORT, public, GROUND.stats, cells, NAMES[:2], FORBIDDEN, TRAP, INTERNET,
        INTERNET, "", "KEY",
    )  # fmt: skip


PROBES = matrix.probes(places())
SHUT = [probe for probe in PROBES if probe.expected == "shut" and probe.host != GROUND.public]


@dataclass
class Neighbourhood:
    """The stack and those around it.

    Attributes:
        stack: What is tried.
        containers: Everybody's container by name.
    """

    stack: Stack
    containers: dict[str, str]
    _probers: dict[str, subprocess.Popen[str]] = field(default_factory=dict)

    def ask(self, probe: Probe) -> str:
        """Make a probe's attempt from where it is to be made."""
        running = self._probers.get(probe.who) or self._prober(probe.who)
        assert running.stdin is not None
        assert running.stdout is not None
        question = json.dumps(probe.question).replace("Bearer KEY", self.stack.key)
        running.stdin.write(question + "\n")
        running.stdin.flush()
        return running.stdout.readline().strip()

    def ask_until(self, probe: Probe, word: str) -> str:
        """Ask until a word is heard; Envoy reads files and starts in its own time."""
        deadline = time.monotonic() + WAIT_SECONDS
        while (heard := self.ask(probe)) != word and time.monotonic() < deadline:
            time.sleep(0.2)
        return heard

    def fetch(self, url: str) -> str:
        """Read a page as Prometheus would."""
        program = (
            "import sys, urllib.request as r; sys.stdout.write(r.urlopen(sys.argv[1], timeout=10).read().decode())"
        )
        return self.stack.engine.docker("exec", self.containers["monitor"], "python3", "-c", program, url)

    @contextmanager
    def joined(self, who: str, network: str) -> Iterator[None]:
        """Put a container on one more network for a while."""
        docker, name, container = self.stack.engine.docker, f"{self.stack.project}_{network}", self.containers[who]
        docker("network", "connect", name, container)
        try:
            yield
        finally:
            docker("network", "disconnect", name, container)

    def restart(self, service: str) -> None:
        """Start an Envoy again, and whoever probed from inside it."""
        if running := self._probers.pop(service, None):
            self._end(running)
        self.stack.engine.docker("restart", "--time", "5", self.containers[service])

    def close(self) -> None:
        """Let nobody ask any more."""
        while self._probers:
            self._end(self._probers.popitem()[1])

    @staticmethod
    def _end(running: subprocess.Popen[str]) -> None:
        running.terminate()
        running.communicate(timeout=60)

    def _prober(self, who: str) -> subprocess.Popen[str]:
        source = Path(prober.__file__).read_text(encoding="utf-8")
        command = ["docker", "exec", "--interactive", self.containers[who], "python3", "-I", "-S", "-c", source]
        self._probers[who] = subprocess.Popen(
            command, env=dict(self.stack.engine.environment), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self._probers[who]


@pytest.fixture(scope="module")
def around(cpu_stack: Stack, bases: Bases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Neighbourhood]:
    folder = tmp_path_factory.mktemp("strangers")
    shutil.copyfile(standins.__file__, folder / "standins.py")
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=stand-in"
    run(["openssl", *words.split(), "-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem")], 30)
    with ExitStack() as stack:
        _internet(cpu_stack, stack)
        strangers = {name: _stranger(cpu_stack, bases.runtime, name, folder, stack) for name in STRANGERS}
        neighbourhood = Neighbourhood(cpu_stack, {**cpu_stack.containers, **strangers})
        stack.callback(neighbourhood.close)
        yield neighbourhood


def _internet(cpu_stack: Stack, stack: ExitStack) -> None:
    docker, name, egress = cpu_stack.engine.docker, f"{cpu_stack.project}_internet", cpu_stack.containers["egress"]
    docker("network", "create", f"--subnet={INTERNET_SUBNET}", name)
    stack.callback(docker, "network", "rm", name)
    docker("network", "connect", name, egress)
    stack.callback(docker, "network", "disconnect", "--force", name, egress)


def _stranger(cpu_stack: Stack, image: str, name: str, folder: Path, stack: ExitStack) -> str:
    network, flags = STRANGERS[name]
    told = {"tls": [443], "names": [53], "certificate": "/s/certificate.pem", "key": "/s/key.pem"}
    docker = cpu_stack.engine.docker
    container = docker(
        "run", "--detach", "--rm", "--init", f"--network={cpu_stack.project}_{network}", *flags,
        f"--volume={folder}:/s:ro", image, "python3", "-I", "-S", "/s/standins.py",
        json.dumps(told if name in ("internet", "inside") else {}),
    ).strip()  # fmt: skip
    stack.callback(docker, "rm", "--force", container)
    return container


def network_of(probe: Probe) -> str:
    """Say on which network the target's address is."""
    of_addresses = {
        GROUND.private: "private",
        GROUND.public: "public",
        GROUND.stats: "monitoring",
        INTERNET: "internet",
    }
    return of_addresses.get(probe.host, probe.whom)


def named(probe: Probe) -> str:
    return probe.name.replace(" ", "-")


@pytest.mark.parametrize("probe", PROBES, ids=named)
def test_it_is_as_it_should_be(around: Neighbourhood, probe: Probe) -> None:
    word = around.ask(probe)
    assert probe.holds(word), f"{word}, not {probe.expected}"


@pytest.mark.parametrize("probe", SHUT, ids=named)
def test_a_shared_network_is_noticed(around: Neighbourhood, probe: Probe) -> None:
    with around.joined(probe.who, network_of(probe)):
        word = around.ask(replace(probe, more={**probe.more, "seconds": WAIT_SECONDS}))
    assert not probe.holds(word), f"still {word}, although {probe.who} is on the network {network_of(probe)}"


def test_a_public_listener_is_noticed(around: Neighbourhood) -> None:
    """Rendered again while it runs: the listener comes, asks for keys, and goes."""
    keyed, keyless = (probe for probe in PROBES if probe.host == GROUND.public)
    try:
        around.stack.render(access="enabled")
        assert around.ask_until(keyed, "open") == "open"
        assert around.ask(keyless) == "unauthorised"
    finally:
        around.stack.render()
    assert around.ask_until(keyed, "refused") == "refused"


def test_an_edge_without_keys_is_noticed(around: Neighbourhood) -> None:
    folder = around.stack.rendered / "ingress"
    asked = [probe for probe in PROBES if probe.expected == "unauthorised"]
    texts = {path: path.read_text(encoding="utf-8") for path in (folder / "rds.json", folder / "lds.json")}
    try:
        for path, text in texts.items():
            path.write_text(without_keys(text), encoding="utf-8")
        around.restart("ingress")
        assert [around.ask_until(probe, "open") for probe in asked] == ["open"] * len(asked)
    finally:
        for path, text in texts.items():
            path.write_text(text, encoding="utf-8")
        around.restart("ingress")
    assert around.ask_until(asked[0], "unauthorised") == "unauthorised"


def test_one_more_allowed_name_is_noticed(around: Neighbourhood) -> None:
    found = (probe for probe in PROBES if probe.expected in ("unresolved", "closed") and probe.host != TRAP)
    asked = sorted(found, key=lambda probe: probe.kind)  # "dns" first: a question that is lost is waited for
    try:
        around.stack.render(allowed=(*ALLOWED, FORBIDDEN))
        around.restart("egress")
        assert [around.ask_until(probe, "open") for probe in asked] == ["open"] * len(asked)
    finally:
        around.stack.render()
        around.restart("egress")
    assert around.ask_until(asked[0], asked[0].expected) == asked[0].expected


def test_an_egress_that_connects_wherever_a_name_leads_is_noticed(around: Neighbourhood) -> None:
    """The other probes of this name, as it should be, are among those above."""
    file = around.stack.rendered / "egress" / "egress.json"
    text = file.read_text(encoding="utf-8")
    content = json.loads(text)
    (within,) = (each for each in content["static_resources"]["listeners"] if each["name"] == PASSAGE)
    router = within["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"][-1]["typed_config"]
    router["upstream_http_filters"] = router["upstream_http_filters"][1:]
    asked = [probe for probe in PROBES if probe.host == TRAP]
    try:
        file.write_text(json.dumps(content), encoding="utf-8")
        around.restart("egress")
        assert [around.ask_until(probe, "open") for probe in asked] == ["open", "open"]
    finally:
        file.write_text(text, encoding="utf-8")
        around.restart("egress")
    assert around.ask_until(asked[0], "closed") == "closed"


def test_prometheus_is_told_whom_to_scrape_and_reaches_nothing_else(around: Neighbourhood) -> None:
    told = json.loads(around.fetch("http://ingress:8002/targets"))
    assert {group["labels"]["job"] for group in told} == {"triton", "supervisor", "envoy", "egress", "endpoint"}
    for group in told:
        host, _, port = group["targets"][0].partition(":")
        path = group["labels"]["__metrics_path__"]
        assert around.ask(Probe("metrics", "monitor", host, host, int(port), "open", more={"path": path})) == "open"
    for path in ("/v2/health/ready", "/metrics", "/config_dump"):
        assert around.ask(Probe("other", "monitor", "ingress", "ingress", 8002, "404", more={"path": path})) == "404"


def test_no_container_asks_this_machines_name_servers(around: Neighbourhood, docker_engine: Engine) -> None:
    """Docker's own name server would pass on what it does not know; here it knows of the egress alone."""
    for name in ("blue", "green"):
        told = json.loads(docker_engine.docker("inspect", around.containers[name]))[0]["HostConfig"]
        assert told["Dns"] == [GROUND.doorway(name)]
