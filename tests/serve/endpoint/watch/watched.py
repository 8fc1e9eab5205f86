"""A watcher as tests see it: a process of its own, like a container's process 1."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.export.repositories import make_repository
from tritext_serve import processes
from tritext_serve.ports import steady_ports


@dataclass
class Watched:
    """A watcher that runs.

    Attributes:
        process: It.
        port: Of its health.
        log: What it says.
    """

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def well(self) -> bool:
        """Whether it says that its Triton is."""
        return self.get("/health/blue/0")[0] == 200

    @property
    def children(self) -> list[psutil.Process]:
        """Whoever it has started."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def get(self, path: str) -> tuple[int, str]:
        """Ask it; 0 where nobody listens."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                return int(answer.status), answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def told(self, sample: str) -> float:
        """Read one of its metrics; 0 of one that is not there yet."""
        lines = self.get("/metrics")[1].splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(sample)), 0.0)


@contextmanager
def watching(folder: Path, module: str, *words: str) -> Iterator[Watched]:
    """Run a watcher until the end of the block; nothing of it is left whatever happens.

    Args:
        folder: For its log.
        module: What ``python -m`` runs.
        words: Its arguments; ports of its own come at the place of "PORTS".
    """
    names = ("http", "grpc", "metrics", "health")
    found = steady_ports(len(names))
    ports = [f"--{name}-port={port}" for name, port in zip(names, found, strict=True)]
    at = words.index("PORTS")
    command = [sys.executable, "-m", module, *words[:at], *ports, *words[at + 1 :]]
    log = folder / "watch.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env={**os.environ, "TMPDIR": str(folder)})
    watched, left = Watched(process, found[3], log), []
    try:
        yield watched
    finally:
        if process.poll() is None:
            left = watched.children
            process.kill()
        process.wait(30)
        processes.end(left, 10)


def repository_with_canary(root: Path) -> Path:
    """A repository of one model whose graph is none, as published, with a canary whose label is 1."""
    manifest = make_repository(root, 1) / "m" / "1" / "manifest.json"
    content = json.loads(manifest.read_text(encoding="utf-8"))
    manifest.write_text(json.dumps(content | {"canary": {"text": "Are you well?", "label_id": 1}}), encoding="utf-8")
    return root
