"""Walls that stand around this process: what passes the egress, who may build them, and that nothing is left."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tests.serve.endpoint.isolation import standins
from tests.serve.endpoint.isolation.endpoints import deployment
from tritext_serve.endpoint.edge.render import BOOTSTRAP
from tritext_serve.endpoint.isolation import namespaces, prober
from tritext_serve.endpoint.isolation.enclosure import OWN_NETWORK, Enclosure
from tritext_serve.endpoint.isolation.walls import Walls
from tritext_serve.endpoint.model import Endpoint, Network, OutboundRule
from tritext_serve.endpoint.rundir import RunDirectory
from tritext_serve.errors import IsolationError
from tritext_serve.ports import steady_ports

HERE = "localhost"  # the one name that every machine knows, and that no deployment should get to


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """A run directory."""
    (tmp_path / "logs").mkdir()
    return RunDirectory(tmp_path)


@pytest.fixture
def standin(tmp_path: Path) -> Iterator[int]:
    """A server with TLS in this machine's own network, as the internet would be."""
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=stand-in"
    command = ["openssl", *words.split(), "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    (port,) = steady_ports(1)
    told = json.dumps({"tls": [port], "certificate": str(certificate), "key": str(key)})
    command = [sys.executable, "-I", "-S", standins.__file__, told]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as serving:
        assert serving.stdout is not None
        assert serving.stdout.readline() == "serving\n"
        yield port
        serving.terminate()


def allowing(port: int) -> Endpoint:
    """Blue may reach this machine by its name, if the egress lets it."""
    rules = (OutboundRule("here", "fqdn", HERE, (port,)),)
    return Endpoint(
        "demo", deployments={"blue": deployment("blue")}, network=Network("allow_only_approved_outbound", rules)
    )


def attempt(walls: Walls, port: int) -> str:
    """Try it from blue, by way of its door: in a hosts file the name is its own."""
    door = walls.plan["deployment-blue"].resolver
    question = json.dumps({"kind": "tls", "host": door, "port": port, "name": HERE})
    command = [*walls.enter("deployment-blue"), sys.executable, "-I", "-S", prober.__file__]
    return subprocess.run(command, input=question, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize(
    ("prefixes", "own_addresses", "word"),
    [(True, True, "closed"), (False, True, "closed"), (True, False, "closed"), (False, False, "open")],
)
def test_an_allowed_name_passes_unless_it_leads_to_this_machine(
    run: RunDirectory, standin: int, monkeypatch: pytest.MonkeyPatch, *, prefixes: bool, own_addresses: bool, word: str
) -> None:
    if why := namespaces.missing():
        pytest.skip(f"MISSING: {why}")
    own = Path(OWN_NETWORK).readlink()
    standing = Enclosure(allowing(standin), run)
    if not own_addresses:
        monkeypatch.setattr(namespaces, "addresses", list)
    if not prefixes:
        standing._planned = replace(standing._planned, egress=replace(standing._planned.egress, nowhere=()))
    with standing as walls:
        assert Path(OWN_NETWORK).readlink() != own
        assert attempt(walls, standin) == word
    assert Path(OWN_NETWORK).readlink() == own
    assert namespaces.standing(walls.plan.prefix) == []


def envoys() -> set[psutil.Process]:
    """Those that this process has started, other tests' among them."""
    return {each for each in psutil.Process().children() if each.name() == "envoy"}


def test_an_egress_that_dies_is_started_again(run: RunDirectory, standin: int) -> None:
    if why := namespaces.missing():
        pytest.skip(f"MISSING: {why}")
    standing, others = Enclosure(allowing(standin), run), envoys()
    with standing as walls:
        (old,) = envoys() - others
        old.kill()
        old.wait(10)
        file = run.path / "egress" / BOOTSTRAP
        text = file.read_text(encoding="utf-8")
        file.write_text("{", encoding="utf-8")
        standing.watch()  # it does not start, and nobody is hurt by that
        file.write_text(text, encoding="utf-8")
        deadline = time.monotonic() + 60
        while not envoys() - others - {old}:
            assert time.monotonic() < deadline
            standing.watch()
        assert attempt(walls, standin) == "closed"


def test_who_is_not_root_is_told_what_is_missing(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(IsolationError, match=r"need root.*CAP_NET_ADMIN"), Enclosure(allowing(443), run):
        pass


@pytest.mark.parametrize(
    ("there", "words"),
    [(("ip", "sysctl"), "no nft: install the package nftables"), (("nft",), "no ip: install the package iproute2")],
)
def test_nothing_is_begun_where_a_tool_is_missing(
    run: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: tuple[str, ...], words: str
) -> None:
    if why := namespaces.missing():
        pytest.skip(f"MISSING: {why}")
    for name in there:
        (tmp_path / name).symlink_to(shutil.which(name) or "")
    with monkeypatch.context() as narrowed:
        narrowed.setenv("PATH", str(tmp_path))
        with pytest.raises(IsolationError, match=words), Enclosure(allowing(443), run):
            pass
    assert namespaces.standing(namespaces.own_prefix("demo")) == []
    assert not (run.path / "egress").exists()


def test_a_missing_program_is_named_with_its_package(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(namespaces, "missing", lambda: "")
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "nsenter" else f"/bin/{name}")
    with pytest.raises(IsolationError, match="no nsenter: install the package util-linux"), Enclosure(allowing(1), run):
        pass


def test_files_that_cannot_be_written_are_named_and_nothing_is_left(
    run: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if why := namespaces.missing():
        pytest.skip(f"MISSING: {why}")
    (tmp_path / "etc").touch()
    monkeypatch.setattr(namespaces, "FILES", tmp_path / "etc" / "netns")
    with pytest.raises(IsolationError, match=f"no isolation here: .*allow files below {tmp_path}"):
        Enclosure(allowing(443), run).__enter__()
    assert namespaces.standing(namespaces.own_prefix("demo")) == []
