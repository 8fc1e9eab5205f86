"""Kills an operation before each of its changes to the file system, one after another, each on a copy of a repository.

``python -m tests.export.dying OPERATION SOURCE TARGET`` leaves ``TARGET/0``, ``TARGET/1``, … as the killed ones left
them, and ``TARGET/whole``, where nothing was killed. Forks without threads, so it is a process of its own.
"""

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.export.repositories import publish_version
from tritext_export import rotation
from tritext_export.inspection import inspect
from tritext_export.session import ExportedModel

OPERATIONS: dict[str, Callable[[Path], object]] = {
    "publish": publish_version,
    "promote": lambda root: rotation.promote(root, "m", 1),
    "rollback": lambda root: rotation.roll_back(root, "m"),
    "prune": lambda root: rotation.prune(root, ["m"], keep=1),
}
CHANGES = frozenset({"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.link", "os.symlink"})
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


def is_change(root: str, event: str, arguments: tuple[Any, ...]) -> bool:
    """Tell whether what Python is about to do changes the repository."""
    if event not in CHANGES and not (event == "open" and arguments[2] & WRITING):
        return False
    path = arguments[0]
    # Removing a tree goes folder by folder, with names that mean something inside one.
    return isinstance(path, str | os.PathLike) and (str(path).startswith(root) or not Path(path).is_absolute())


def die_before(step: int, root: Path) -> None:
    """Let this process be killed before its ``step``-th change."""
    left = step

    def count(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        if is_change(str(root), event, arguments):
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)


def run(operation: Callable[[Path], object], root: Path, step: int) -> int:
    """Run an operation in a child; gives its wait status."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    try:
        die_before(step, root)
        operation(root)
    except BaseException as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        os._exit(1)
    os._exit(0)


def main(name: str, source: Path, target: Path) -> int:
    """Kill at step 0, 1, … until the operation gets through."""
    for step in range(1000):
        root = target / str(step)
        shutil.copytree(source, root)
        status = run(OPERATIONS[name], root, step)
        if os.WIFEXITED(status):
            root.rename(target / "whole")
            return os.WEXITSTATUS(status)
    return 1


if __name__ == "__main__":
    # Loaded once, here: each child would load them again.
    loaded = (inspect, ExportedModel)
    raise SystemExit(main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])))
