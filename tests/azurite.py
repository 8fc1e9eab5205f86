"""A real Azurite over TLS: blob storage as the tests of the store and of batch jobs see it.

::

    azurite(folder) ─► Azurite(url, ca, …)      Node, the npm package in .cache/azurite, a CA made by openssl
    Azurite.environment()                       what a client needs besides a credential
    Azurite.shared_access("in", "rl")           a SAS; principals' tokens come from tests.token_issuer

The account's key stays here: tritext never gets it.
"""

import contextlib
import datetime
import fcntl
import os
import shutil
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from azure.storage.blob import BlobServiceClient, ContainerClient, generate_container_sas

from tests.certificates import Certificates, make_certificates
from tritext_serve.ports import steady_ports

VERSION = "3.35.0"
CACHE = Path(__file__).parent.parent / ".cache" / "azurite"
PROGRAM = CACHE / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
ACCOUNT = "devacct"
KEY = "b25seSBldmVyIGtub3duIHRvIGEgdGVzdCBvbiBsb29wYmFjaw=="
START_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Azurite:
    """A running Azurite, or what stands in front of one.

    Attributes:
        url: Of the account's blob service, without a slash at its end.
        certificates: What it shows, and the CA that signed that.
    """

    url: str
    certificates: Certificates

    def environment(self) -> dict[str, str]:
        """Say where it is and whom to trust; a credential comes on top."""
        return {"TRITEXT_BLOB_ENDPOINT": self.url, "SSL_CERT_FILE": str(self.certificates.ca)}

    def at(self, url: str) -> "Azurite":
        """Name the same service by another address, such as that of a proxy."""
        return Azurite(url, self.certificates)

    def container(self, name: str, *, make: bool = True) -> ContainerClient:
        """Give the container to the test itself, with all rights; made if it is not there."""
        service = BlobServiceClient(
            self.url,
            credential={"account_name": ACCOUNT, "account_key": KEY},
            connection_verify=str(self.certificates.ca),
        )
        client = service.get_container_client(name)
        if make and not client.exists():
            client.create_container()
        return client

    def shared_access(
        self, container: str, permission: str = "racwdl", *, start: float = -900, end: float = 3600
    ) -> str:
        """Sign a SAS for a container.

        Args:
            container: The container.
            permission: Letters as Azure has them.
            start: Seconds from now from which it is good.
            end: Seconds from now until which it is.
        """
        now = datetime.datetime.now(datetime.UTC)
        return generate_container_sas(
            ACCOUNT,
            container,
            account_key=KEY,
            permission=permission,
            start=now + datetime.timedelta(seconds=start),
            expiry=now + datetime.timedelta(seconds=end),
        )


@contextlib.contextmanager
def azurite(folder: Path) -> Iterator[Azurite]:
    """Run an Azurite that keeps everything in memory.

    Args:
        folder: For its certificates and log.
    """
    install()
    certificates = make_certificates(folder)
    [port] = steady_ports(1)
    words = f"--blobHost 127.0.0.1 --blobPort {port} --inMemoryPersistence --disableTelemetry --silent --oauth basic"
    command = ["node", str(PROGRAM), *words.split(), "--cert", str(certificates.certificate)]
    environment = os.environ | {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}"}
    with (folder / "azurite.log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--key", str(certificates.key)], stdout=log, stderr=log, env=environment, cwd=folder
        )
        try:
            running = Azurite(f"https://127.0.0.1:{port}/{ACCOUNT}", certificates)
            _wait(running, process, folder / "azurite.log")
            yield running
        finally:
            process.terminate()
            process.wait(30)


def install() -> None:
    """Fetch the npm package, once for all runs; skip the test where that cannot be."""
    if not shutil.which("node") or not shutil.which("npm") or not shutil.which("openssl"):
        pytest.skip("MISSING node, npm or openssl: there is no Azurite")
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if PROGRAM.is_file():
            return
        words = f"npm install --no-audit --no-fund --ignore-scripts --prefix . azurite@{VERSION}"
        done = subprocess.run(words.split(), check=False, cwd=CACHE, capture_output=True, text=True, timeout=280)
        if done.returncode:
            pytest.skip(f"MISSING azurite@{VERSION}: npm cannot fetch it: {done.stderr.strip()[-200:]}")


def _wait(running: Azurite, process: "subprocess.Popen[bytes]", log: Path) -> None:
    context = ssl.create_default_context(cafile=running.certificates.ca)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(running.url, timeout=2, context=context)
        except urllib.error.HTTPError as answer:
            answer.close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"Azurite does not answer: {log.read_text(encoding='utf-8')}")
