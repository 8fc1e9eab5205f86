"""Environments of the peers' own: a name in requirements.toml in, a folder with its Python out. Runs uv.

They lie in the user's cache and are made once for each list of requirements; uv links files that several of them hold.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tritext_loadtest.peers.errors import BenchError, PeerError

REQUIREMENTS = Path(__file__).with_name("requirements.toml")
READY = ".ready"
INSTALL_SECONDS = 900.0
TAIL_LINES = 8


@dataclass(frozen=True, slots=True)
class Workshop:
    """Where environments are made.

    Attributes:
        root: The folder that holds them.
        requirements: The file that lists their packages.
        timeout: Seconds for one installation.
    """

    root: Path
    requirements: Path = REQUIREMENTS
    timeout: float = INSTALL_SECONDS

    def make(self, name: str) -> Path:
        """Give an environment's folder, making it if it is not there.

        Raises:
            BenchError: uv is not installed.
            PeerError: the packages do not install; the message ends with the log.
        """
        packages = self._packages(name)
        key = hashlib.sha256("\n".join((sys.version, *packages)).encode()).hexdigest()[:12]
        folder = self.root / f"{name}-{key}"
        folder.parent.mkdir(parents=True, exist_ok=True)
        with folder.with_suffix(".lock").open("w") as lock:  # two runs at once must not make the same one
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folder / READY).is_file():
                self._install(name, folder, packages)
        return folder

    def version(self, name: str, package: str) -> str:
        """Give the version that an environment's list pins a package to."""
        pinned = (entry.partition("==") for entry in self._packages(name))
        return next((version for found, _, version in pinned if found == package), "of no pinned version")

    def _packages(self, name: str) -> list[str]:
        known = tomllib.loads(self.requirements.read_text(encoding="utf-8"))["environments"]
        if name not in known:
            raise PeerError(f"{name}: {self.requirements.name} has no environment of that name")
        return list(known[name])

    def _install(self, name: str, folder: Path, packages: list[str]) -> None:
        uv = find_uv()
        log = folder.with_suffix(".log")
        commands = (
            [uv, "venv", "--clear", "--python", sys.executable, str(folder)],
            [uv, "pip", "install", "--python", str(folder / "bin" / "python"), *packages],
        )
        environment = os.environ | _sources(os.environ)
        with log.open("wb") as output:
            for command in commands:
                try:
                    subprocess.run(
                        command, env=environment, stdout=output, stderr=output, check=True, timeout=self.timeout
                    )
                except subprocess.TimeoutExpired as error:
                    raise PeerError(f"{name}: not installed within {self.timeout:g} s: {tail(log)}") from error
                except subprocess.CalledProcessError as error:
                    raise PeerError(f"{name}: does not install: {tail(log)}") from error
        (folder / READY).touch()


def find_uv() -> str:
    """Find uv beside this Python or on the PATH.

    Raises:
        BenchError: it is not there.
    """
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.is_file() else shutil.which("uv")
    if not found:
        raise BenchError(
            "uv is not installed, which makes the peers' environments: run `pip install 'tritext[loadtest]'`"
        )
    return found


def tail(log: Path, lines: int = TAIL_LINES) -> str:
    """Give the last lines of a log on one line."""
    try:
        content = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "it left no log"
    return " | ".join(line.strip() for line in content[-lines:] if line.strip()) or "its log is empty"


def cache() -> Path:
    """Give the folder of this user where environments and files of the bench are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tritext" / "bench"


def _sources(environment: Mapping[str, str]) -> dict[str, str]:
    """Tell uv of the folders of wheels that pip is told of: uv does not read pip's settings.

    That is where a machine keeps the CPU build of torch; without one, uv is asked for it. All of it goes by the
    environment: an address may hold a password, and arguments can be read by everybody.
    """
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    pairs = (line.partition("=")[::2] for line in listed.splitlines())
    found = [value.strip("' ") for key, value in pairs if key.rpartition(".")[2] == "find-links"]
    folders = [folder for value in found for folder in value.replace("\\n", " ").split()]
    if not folders:
        return {"UV_TORCH_BACKEND": environment.get("UV_TORCH_BACKEND", "cpu")}
    folders += [folder for folder in environment.get("UV_FIND_LINKS", "").split(",") if folder]
    return {"UV_FIND_LINKS": ",".join(dict.fromkeys(folders))}
