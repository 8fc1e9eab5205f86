"""A private registry on loopback, with TLS and scoped tokens."""

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.deploy.registry.issuer import ISSUER, SERVICE, Certificate, User, issuer
from tritext_serve.ports import steady_ports

NAME = "films/tritext"
# What a token may is its user's: everything on one repository, reading it, reading another.
USERS = {
    "pusher": User("token-of-the-pusher", {NAME: ("push", "pull")}),
    "reader": User("token-of-the-reader", {NAME: ("pull",)}),
    "neighbour": User("token-of-the-neighbour", {"other/thing": ("push", "pull")}),
}


@dataclass(frozen=True, slots=True)
class Registry:
    """A running one.

    Attributes:
        host: ``127.0.0.1:port``.
        ca: Folder of its certificate.
        storage: Where its blobs lie.
        tokens: Folder with a file for each user's.
    """

    host: str
    ca: Path
    storage: Path
    tokens: Path

    @property
    def repository(self) -> str:
        """Ours."""
        return f"{self.host}/{NAME}"


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    for command in ("docker-registry", "skopeo", "openssl"):
        if shutil.which(command) is None:
            pytest.skip(f"MISSING: no {command}: install it (Debian)")
    folder = tmp_path_factory.mktemp("registry")
    tokens, ca = folder / "tokens", folder / "ca"
    for each in (tokens, ca):
        each.mkdir()
    certificate = Certificate.make(ca)
    for name, user in USERS.items():
        (tokens / name).write_text(f"{user.password}\n", encoding="utf-8")
    running = Registry(f"127.0.0.1:{steady_ports(1)[0]}", folder / "public", folder / "storage", tokens)
    running.ca.mkdir()  # a folder of certificates must hold no key without its own
    shutil.copyfile(certificate.certificate, running.ca / "ca.crt")
    with issuer(certificate, USERS) as realm:
        configuration = folder / "registry.yml"
        configuration.write_text(json.dumps(_configuration(running, certificate, realm)), encoding="utf-8")
        with (folder / "registry.log").open("wb") as log:
            process = subprocess.Popen(["docker-registry", "serve", str(configuration)], stdout=log, stderr=log)
        try:
            _await(running.host, process, folder / "registry.log")
            yield running
        finally:
            process.terminate()
            process.wait(30)


def _configuration(running: Registry, certificate: Certificate, realm: str) -> dict[str, object]:
    token = {"realm": realm, "service": SERVICE, "issuer": ISSUER, "rootcertbundle": str(certificate.certificate)}
    tls = {"certificate": str(certificate.certificate), "key": str(certificate.key)}
    return {
        "version": 0.1,
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(running.storage)}, "cache": {}},
        "http": {"addr": running.host, "tls": tls},
        "auth": {"token": token},
    }


def _await(host: str, process: subprocess.Popen[bytes], log: Path) -> None:
    address, _, port = host.partition(":")
    deadline = time.monotonic() + 90
    while True:
        with socket.socket() as probe:
            if probe.connect_ex((address, int(port))) == 0:
                return
        assert process.poll() is None, log.read_text(encoding="utf-8")
        assert time.monotonic() < deadline, log.read_text(encoding="utf-8")
        time.sleep(0.05)
