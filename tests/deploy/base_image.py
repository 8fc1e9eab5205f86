"""Base images where none can be pulled: a minimal Debian with CPython 3.11, and the same with this machine's trust.

The second one is for the stage that runs pip. It knows the machine's certificates and package index; no layer of it
enters the image that is tested.
"""

import hashlib
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.deploy.engine import Engine, put_in_memory, remove, run

SUITE = "bookworm"
# libpython3.11: the stub of Triton's Python backend is linked with it. pip: for the stage that builds.
PACKAGES = "ca-certificates,libpython3.11,python3-pip"
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
BOOTSTRAP_SECONDS = 800


@dataclass(frozen=True, slots=True)
class Bases:
    """Names of images.

    Attributes:
        runtime: What the tested image stands on.
        build: What its build stage stands on.
    """

    runtime: str
    build: str


def provide(engine: Engine, scratch: Path) -> Bases:
    """Name the image in TRITEXT_TEST_BASE_IMAGE, which the engine pulls; without it, make both from Debian packages."""
    if given := os.environ.get("TRITEXT_TEST_BASE_IMAGE"):
        return Bases(given, given)
    bases = Bases("tritext-test:base", "tritext-test:build-base")
    engine.docker("import", str(_root_file_system(scratch)), bases.runtime, timeout=300)
    context = scratch / "build-base"
    context.mkdir(exist_ok=True)
    shutil.copyfile(_certificates(), context / "bundle.crt")
    (context / "pip.conf").write_text(_pip_configuration(), encoding="utf-8")
    (context / "Dockerfile").write_text(
        f"FROM {bases.runtime}\nCOPY bundle.crt {BUNDLE}\nCOPY pip.conf /etc/pip.conf\n", encoding="utf-8"
    )
    engine.docker("build", "--tag", bases.build, str(context), timeout=300)
    return bases


def _root_file_system(scratch: Path) -> Path:
    """Make the archive once; its name follows from what is in it."""
    key = hashlib.sha256(f"{SUITE} {PACKAGES}".encode()).hexdigest()[:12]
    archive = scratch / f"{SUITE}-{key}.tar"
    if archive.is_file():
        return archive
    if os.geteuid() != 0 or shutil.which("mmdebstrap") is None:
        pytest.skip("MISSING: no base image: set TRITEXT_TEST_BASE_IMAGE, or install mmdebstrap and run as root")
    workshop = Path(tempfile.mkdtemp(prefix=f"{SUITE}-", dir=scratch))
    put_in_memory(workshop)
    partial = archive.with_suffix(".partial")
    without = [f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in ("doc", "locale", "man")]
    command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", *without, SUITE, str(partial)]
    try:
        run([*command, "--format=tar"], BOOTSTRAP_SECONDS, {**os.environ, "TMPDIR": str(workshop)})
        partial.rename(archive)
    finally:
        partial.unlink(missing_ok=True)
        remove(workshop)
    return archive


def _certificates() -> Path:
    return Path(ssl.get_default_verify_paths().cafile or BUNDLE)


def _pip_configuration() -> str:
    """Name the bundle, and the package index where this machine's pip has one of its own."""
    lines = ["[global]", f"cert = {BUNDLE}"]
    command = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode == 0:
        lines.append(f"index-url = {done.stdout.strip()}")
    return "\n".join(lines) + "\n"
