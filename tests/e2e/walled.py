"""A machine of a test's own with an internet beside it, and `tritext endpoint up --isolate` on that machine.

::

    namespace "machine": pytest's own thread, `up`, a TLS server ── namespace "internet": a TLS server at many addresses

Names are looked up in a hosts file that only `up` and its children see. Nothing of the real machine's network is used.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.e2e.endpoints import NAME, Up
from tests.serve.endpoint.isolation import standins
from tritext_serve.endpoint.files.load import load_endpoint
from tritext_serve.endpoint.isolation import namespaces, prober
from tritext_serve.endpoint.isolation.enclosure import OWN_NETWORK, enter
from tritext_serve.endpoint.isolation.plan import NAMED, End, Link, Namespace, Plan, Rule
from tritext_serve.endpoint.isolation.walls import Walls, wall_off

ALLOWED, FORBIDDEN = "reviews.example.com", "evil.example.com"
HOME = "198.51.100.1"
ADDRESSES = {ALLOWED: ("198.51.100.10",), FORBIDDEN: ("198.51.100.20",)}
# Names that may be reached, with addresses that may not.
TRAPS = {
    "metadata.example.com": ("169.254.169.254",),
    "office.example.com": ("172.16.9.9",),
    "loopback.example.com": ("127.0.0.1",),
    "home.example.com": (HOME,),
    # Nobody answers at the first; the other is nobody else's, as c-ares takes lines of one address for one host.
    "second.example.com": ("198.51.100.99", "169.254.169.253"),
}
RULES = [
    {"name": name.partition(".")[0], "type": "fqdn", "destination": name}
    for name in (ALLOWED, *TRAPS)
]  # fmt: skip
# The hosts file is laid over this process's alone; the namespaces that `up` makes are still seen by everybody.
_OWN_HOSTS = (
    'mount --make-private / && { mount --make-private /etc/hosts 2>&-; mount --bind "$0" /etc/hosts; } && exec "$@"'
)


@contextmanager
def machine(folder: Path) -> Iterator[Path]:
    """Live on a machine of one's own for a while.

    Yields:
        The hosts file of those who are started with `around`.
    """
    anything = (Rule("in", "a test", protocol=""), Rule("out", "a test", protocol=""))
    there = {address for each in (ADDRESSES | TRAPS).values() for address in each}
    outside = tuple(sorted(there - {HOME, "127.0.0.1", "198.51.100.99"}))
    link = Link(End("machine", (HOME,)), End("internet", outside))
    names = (Namespace("machine", anything), Namespace("internet", anything))
    with ExitStack() as stack:
        network = stack.enter_context(namespaces.Network(Plan(namespaces.own_prefix("world"), names, (link,))))
        for name in ("machine", "internet"):
            stack.enter_context(_serving(network, name, folder))
        own = os.open(OWN_NETWORK, os.O_RDONLY | os.O_CLOEXEC)
        stack.callback(os.close, own)
        stack.callback(enter, own)
        with (NAMED / network.plan.kernel_name("machine")).open("rb") as file:
            enter(file.fileno())
        hosts = folder / "hosts"
        lines = [f"{address} {name}\n" for name, each in (ADDRESSES | TRAPS).items() for address in each]
        hosts.write_text("127.0.0.1 localhost\n" + "".join(lines), encoding="utf-8")
        yield hosts


def around(hosts: Path) -> tuple[str, ...]:
    """Give the command that starts another with a hosts file of its own."""
    own = [shutil.which("unshare") or "", "--mount", "--propagation", "unchanged"]
    return (*own, "sh", "-c", _OWN_HOSTS, str(hosts))


@contextmanager
def _serving(network: namespaces.Network, where: str, folder: Path) -> Iterator[None]:
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=stand-in"
    command = ["openssl", *words.split(), "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    told = json.dumps({"tls": [443], "certificate": str(certificate), "key": str(key)})
    command = network.enter([sys.executable, "-I", "-S", standins.__file__, told], where)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as serving:
        try:
            assert serving.stdout is not None
            assert serving.stdout.readline() == "serving\n"
            yield
        finally:
            serving.terminate()


class Walled(Up):
    """An endpoint with a network file, and walls."""

    def __init__(self, folder: Path, repository: Path, hosts: Path, names: Sequence[str] = ("blue", "green")) -> None:
        """Start it, with one process of each model."""
        self.around, self._names = around(hosts), names
        self._shares = {name: 100 // len(names) for name in names}
        super().__init__(folder, repository, "--isolate", "--instances", "1", deployments=names, traffic=self._shares)

    @property
    def prefix(self) -> str:
        """How the names of its namespaces begin."""
        return f"tritext.{NAME}.{self.process.pid}"

    @property
    def walls(self) -> Walls:
        """What it has to itself."""
        return wall_off(load_endpoint(self.write(self._names, traffic=self._shares)), self.prefix)

    def write(self, deployments: Sequence[str], **endpoint: Any) -> list[Path]:
        """Write a network file beside the others."""
        network = {"isolation_mode": "allow_only_approved_outbound", "outbound_rules": endpoint.pop("rules", RULES)}
        path = self.folder / "network.yml"
        path.write_text(json.dumps({"name": "space", "managed_network": network}), encoding="utf-8")
        return [*super().write(deployments, **endpoint), path]

    def try_from(self, namespace: str, **asked: Any) -> str:
        """Say in one word what comes of an attempt."""
        program = [sys.executable, "-I", "-S", prober.__file__]
        command = namespaces.enter(program, f"{self.prefix}-{namespace}")
        question = json.dumps({"seconds": 3, "path": "/v2/health/ready"} | asked)
        done = subprocess.run(command, input=question, capture_output=True, text=True, timeout=30, check=True)
        return done.stdout.strip()

    def standing(self) -> list[object]:
        """List what there is of its walls."""
        return [*namespaces.standing(self.prefix), *namespaces.FILES.glob(f"{self.prefix}-*")]


def on_this_machine() -> list[str]:
    """List what there is of an endpoint's walls in the machine's own network, where nothing of them belongs."""
    commands = ("ip -o link show", "ip route show table all", "nft list ruleset")
    done = [subprocess.run(each.split(), capture_output=True, text=True, check=True).stdout for each in commands]
    inside = re.compile(r"\bto-(ingress|egress|monitor|deplo)|10\.60\.|the edge|egress")
    return [line for line in "".join(done).splitlines() if inside.search(line)]
