"""Control groups: a deployment's processes in, held to a share of the machine so that no other deployment starves.

Version 2 where its controllers can be had, else version 1's ``memory`` and ``cpu``, else nothing, which is said once.
CPU time is shared by weight: what one deployment leaves, another may use.
"""

import contextlib
import logging
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tritext_serve.endpoint.supervisor.state import Reason

ROOT = Path("/sys/fs/cgroup")
V1_SHARES = 1024
_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class Group:
    """Where one deployment's processes are held; without folders, nowhere.

    Attributes:
        folders: Its folders, one a hierarchy.
        memory_bytes: Its limit; None where there is none.
        kills: Processes that the kernel has killed for want of memory, as last seen.
    """

    folders: tuple[Path, ...] = ()
    memory_bytes: int | None = None
    kills: int = field(default=0)

    def add(self, pid: int) -> None:
        """Put a process into it, and so whatever that starts."""
        for folder in self.folders:
            try:
                (folder / "cgroup.procs").write_text(str(pid), encoding="ascii")
            except OSError as error:
                _LOG.warning("process %d is not held in %s: %s", pid, folder, error.strerror)

    def reason(self, otherwise: Reason) -> Reason:
        """Say whether the kernel has killed for want of memory since the last time this was asked."""
        before, self.kills = self.kills, _read_kills(self.folders)
        return Reason.OOM if self.kills > before else otherwise

    def remove(self) -> None:
        """Remove it, when its processes are gone."""
        for folder in self.folders:
            _remove(folder)
            with contextlib.suppress(OSError):  # the endpoint's own, once its last deployment's has gone
                folder.parent.rmdir()


def make(endpoint: str, deployment: str, memory_bytes: int | None, root: Path = ROOT) -> Group:
    """Make a deployment's group.

    Args:
        endpoint: The endpoint's name, and its supervisor's process id.
        deployment: The deployment's name.
        memory_bytes: What its processes may take together; None for no limit.
        root: Where control groups are mounted.

    Returns:
        A group without folders where none can be had; the log says why.
    """
    name = Path(f"tritext-{endpoint}", deployment)
    try:
        folders = _make_v2(root, name, memory_bytes) if _is_v2(root) else _make_v1(root, name, memory_bytes)
    except OSError as error:
        remove_all(endpoint, root)
        _LOG.warning(
            "no control groups here (%s: %s): deployments share memory and cores as they come",
            error.filename,
            error.strerror,
        )
        return Group()
    return Group(folders, memory_bytes, _read_kills(folders))


def remove_all(endpoint: str, root: Path = ROOT) -> None:
    """Remove an endpoint's groups."""
    for parent in (root / "memory", root / "cpu", root):
        _remove_tree(parent / f"tritext-{endpoint}")


def sweep(root: Path = ROOT) -> None:
    """Remove the groups of supervisors that were killed before they could; their names end with a process id."""
    for parent in (root / "memory", root / "cpu", root):
        for top in parent.glob("tritext-*"):
            pid = top.name.rpartition("-")[2]
            if pid.isdecimal() and not Path("/proc", pid).exists():
                _remove_tree(top)


def _remove_tree(top: Path) -> None:
    for folder in (*(p for p in top.glob("*") if p.is_dir()), top):
        if folder.is_dir():
            _remove(folder)


def _is_v2(root: Path) -> bool:
    return (root / "cgroup.controllers").is_file()


def _make_v2(root: Path, name: Path, memory_bytes: int | None) -> tuple[Path, ...]:
    for parent in (root, root / name.parent):
        parent.mkdir(exist_ok=True)
        (parent / "cgroup.subtree_control").write_text("+memory +cpu", encoding="ascii")
    folder = root / name
    folder.mkdir(exist_ok=True)
    if memory_bytes is not None:
        _write(folder / "memory.max", memory_bytes)
        with contextlib.suppress(OSError):
            _write(folder / "memory.swap.max", 0)
    return (folder,)


def _make_v1(root: Path, name: Path, memory_bytes: int | None) -> tuple[Path, ...]:
    memory, cpu = root / "memory" / name, root / "cpu" / name
    for folder in (memory, cpu):
        (folder.parents[1] / "cgroup.procs").stat()  # is a controller mounted there?
        folder.mkdir(parents=True, exist_ok=True)
    if memory_bytes is not None:
        _write(memory / "memory.limit_in_bytes", memory_bytes)
    # The endpoint weighs as much as a process on every core, its deployments one another alike.
    _write(cpu.parent / "cpu.shares", V1_SHARES * (os.cpu_count() or 1))
    _write(cpu / "cpu.shares", V1_SHARES)
    return (memory, cpu)


def _write(file: Path, value: int) -> None:
    file.write_text(str(value), encoding="ascii")


def _read_kills(folders: Sequence[Path]) -> int:
    for folder in folders:
        for name in ("memory.events", "memory.oom_control"):
            with contextlib.suppress(OSError, ValueError):
                lines = (folder / name).read_text(encoding="ascii").splitlines()
                return next(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
    return 0


def _remove(folder: Path) -> None:
    """Remove one folder; the kernel refuses until the last process has gone."""
    for _ in range(50):
        try:
            folder.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.05)
        else:
            return
    _LOG.warning("%s: cannot be removed: processes are still in it", folder)
