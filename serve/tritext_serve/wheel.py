"""The Triton server inside the nvidia-pytriton wheel: where its parts are, and whether they run here.

The wheel is used as a container of binaries; none of its Python is imported.
"""

import importlib.metadata
import os
import platform
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from tritext_serve.errors import PlatformError

WHEEL = "nvidia-pytriton"
# Read off the wheel's binary: its newest symbol version is GLIBC_2.35.
MINIMUM_GLIBC = (2, 35)
STUB = "triton_python_backend_stub"


@dataclass(frozen=True, slots=True)
class TritonWheel:
    """Paths of the server's parts.

    Attributes:
        binary: ``tritonserver`` itself.
        python_backend: Folder with ``libtriton_python.so`` and the Python side of the backend.
        stub: The program that hosts a Python model, for this Python's version.
        caches: Folder of response-cache libraries.
        libraries: Folders that the dynamic linker must search.
    """

    binary: Path
    python_backend: Path
    stub: Path
    caches: Path
    libraries: tuple[Path, ...]


def find() -> TritonWheel:
    """Locate the server.

    Raises:
        PlatformError: the machine, its C library, this Python or the installation cannot run it.
    """
    check_platform(sys.platform, platform.machine(), _glibc())
    root = _installed() / "pytriton" / "tritonserver"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    stub = root / "python_backend_stubs" / version / STUB
    if not stub.is_file():
        raise PlatformError(f"{WHEEL} has no stub for Python {version}: use Python 3.11 or 3.12")
    return TritonWheel(
        binary=root / "bin" / "tritonserver",
        python_backend=root / "backends" / "python",
        stub=stub,
        caches=root / "caches",
        libraries=(_installed() / "nvidia_pytriton.libs", libpython_directory()),
    )


def check_platform(system: str, machine: str, glibc: tuple[int, int] | None) -> None:
    """Refuse a machine that the wheel's binaries were not built for. Pure.

    Args:
        system: As ``sys.platform`` says it.
        machine: As ``platform.machine()`` says it.
        glibc: Version of the GNU C library, or None where there is none.

    Raises:
        PlatformError: with what this machine is, and what to use instead.
    """
    remedy = "use `docker compose up` there (docs/docker.md)"
    if system != "linux" or machine != "x86_64":
        raise PlatformError(f"the embedded Triton runs on Linux x86_64, this is {system} {machine}: {remedy}")
    if glibc is None:
        raise PlatformError(f"the embedded Triton needs the GNU C library, this system has another: {remedy}")
    if glibc < MINIMUM_GLIBC:
        have, need = (".".join(map(str, version)) for version in (glibc, MINIMUM_GLIBC))
        raise PlatformError(f"the embedded Triton needs glibc {need}, this system has {have}: {remedy}")


def libpython_directory() -> Path:
    """Find the folder of the shared library of this Python, which the stub is linked with.

    Raises:
        PlatformError: this Python was built without one.
    """
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    name = f"libpython{version}.so.1.0"
    candidates = [sysconfig.get_config_var("LIBDIR"), sysconfig.get_config_var("LIBPL"), Path(sys.base_prefix) / "lib"]
    multiarch = sysconfig.get_config_var("MULTIARCH")
    candidates += [f"/usr/lib/{multiarch}", "/usr/lib64", "/usr/lib"] if multiarch else ["/usr/lib64", "/usr/lib"]
    for candidate in filter(None, candidates):
        if (Path(candidate) / name).is_file():
            return Path(candidate)
    raise PlatformError(
        f"this Python has no {name}, which Triton's Python backend is linked with: install libpython{version} "
        "(Debian and Ubuntu), or use a Python built with --enable-shared"
    )


def _installed() -> Path:
    try:
        distribution = importlib.metadata.distribution(WHEEL)
    except importlib.metadata.PackageNotFoundError as error:
        raise PlatformError(f"{WHEEL} is not installed: run `pip install 'tritext[serve]'`") from error
    return Path(str(distribution.locate_file("")))


def _glibc() -> tuple[int, int] | None:
    try:
        library, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").split()
        major, minor = version.split(".")[:2]
    except (ValueError, OSError):
        return None
    return (int(major), int(minor)) if library == "glibc" else None
