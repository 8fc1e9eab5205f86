"""An endpoint's run directory: where its supervisor keeps its socket, files, logs and keys while it runs.

``BASE/NAME/`` is this user's alone (0700) and locked by the supervisor for as long as it lives; whose lock is gone was
killed, and what it left is swept. BASE is ``$XDG_RUNTIME_DIR/tritext``, or ``/tmp/tritext-UID``.
"""

import contextlib
import errno
import fcntl
import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from tritext_serve.errors import RunDirectoryError
from tritext_serve.settings import runtime_directory

LOCK_FILE = "supervisor.pid"
# The folder often lies in memory, and that may be full.
FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """Where the parts of one endpoint lie.

    Attributes:
        path: The folder.
    """

    path: Path

    @property
    def name(self) -> str:
        """The endpoint's name."""
        return self.path.name

    @property
    def control(self) -> Path:
        """The socket that the other verbs speak to."""
        return self.path / "control.sock"

    @property
    def envoy(self) -> Path:
        """Folder of Envoy's files."""
        return self.path / "envoy"

    @property
    def logs(self) -> Path:
        """Folder of logs."""
        return self.path / "logs"

    @property
    def keys(self) -> Path:
        """The keys, where ``--keys`` names no other file."""
        return self.path / "keys.json"

    @property
    def header(self) -> Path:
        """The header that clients send, for ``curl -H @FILE``: in no process's arguments."""
        return self.path / "authorization"

    @property
    def lock(self) -> Path:
        """The file that the supervisor has locked, with its process id in it."""
        return self.path / LOCK_FILE


def claim(name: str) -> tuple[RunDirectory, int]:
    """Make an endpoint's run directory and lock it; what a killed supervisor left there goes.

    Args:
        name: The endpoint's name.

    Returns:
        The directory, and the descriptor that holds the lock: close it last.

    Raises:
        RunDirectoryError: the endpoint runs already, or the folder is somebody else's, full, or has a name that Triton
            cannot take.
    """
    base = runtime_directory()
    if not str(base).isascii():  # Triton's backends read what lies there, and take paths as ASCII
        raise RunDirectoryError(f"{str(base)!r}: Triton takes no such path: set XDG_RUNTIME_DIR to one in ASCII")
    for folder in (base, base / name):
        _own(folder)
    run = RunDirectory(base / name)
    try:
        descriptor = os.open(run.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise RunDirectoryError(f"{run.lock}: cannot be locked: {error.strerror}: remove it") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        who = runs_as(run)
        raise RunDirectoryError(
            f"endpoint {name!r} runs already, as process {who}: stop it with `tritext endpoint down --endpoint {name}`"
        ) from error
    _check_still_there(run, descriptor)
    try:
        _furnish(run, descriptor)
    except OSError as error:
        release(run, descriptor)
        raise no_room(run, error) from error
    return run, descriptor


def no_room(run: RunDirectory, error: OSError) -> RunDirectoryError:
    """Say that a file there could not be written, and what to do."""
    remedy = "make room there, or set XDG_RUNTIME_DIR to a folder that has some"
    return RunDirectoryError(f"{error.filename or run.path}: {error.strerror or error}: {remedy}")


def release(run: RunDirectory, descriptor: int) -> None:
    """Remove a run directory and let go of its lock."""
    shutil.rmtree(run.path, ignore_errors=True)
    with contextlib.suppress(OSError):  # the folder of all endpoints, once the last has gone
        run.path.parent.rmdir()
    os.close(descriptor)


def running() -> list[RunDirectory]:
    """List the endpoints of this user that run.

    Raises:
        RunDirectoryError: somebody else has made their folder, where who asks would be told to send the keys to them.
    """
    base = runtime_directory()
    if not os.path.lexists(base):
        return []
    _check_own(base)
    return [run for run in map(RunDirectory, sorted(base.iterdir())) if is_running(run)]


def find(name: str | None = None) -> RunDirectory:
    """Find an endpoint that runs.

    Args:
        name: Its name; None for the only one.

    Raises:
        RunDirectoryError: there is none, or several and no name.
    """
    there = running()
    if name is not None:
        there = [run for run in there if run.name == name]
    if len(there) == 1:
        return there[0]
    if there:
        names = ", ".join(run.name for run in there)
        raise RunDirectoryError(f"several endpoints run ({names}): say which with --endpoint NAME")
    which = "no endpoint runs" if name is None else f"endpoint {name!r} does not run"
    raise RunDirectoryError(f"{which}: start it with `tritext endpoint up FILES…`")


def is_running(run: RunDirectory) -> bool:
    """Whether a supervisor holds the lock."""
    try:
        descriptor = os.open(run.lock, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def runs_as(run: RunDirectory) -> str:
    """Read the process id of the supervisor; "unknown" where it has not said yet."""
    try:
        return run.lock.read_text(encoding="ascii").strip() or "unknown"
    except OSError:
        return "unknown"


def _own(folder: Path) -> None:
    """Make a folder of this user's alone, or check that it is one."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise RunDirectoryError(f"{folder}: {error.strerror}: set XDG_RUNTIME_DIR to a folder of yours") from error
    _check_own(folder)


def _check_own(folder: Path) -> None:
    """Refuse a folder that somebody else has made, or may enter."""
    try:
        found = folder.lstat()
    except OSError as error:
        raise RunDirectoryError(f"{folder}: {error.strerror}: try again") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise RunDirectoryError(f"{folder}: is not a folder of yours: remove it, or set XDG_RUNTIME_DIR")
    if found.st_mode & 0o077:
        raise RunDirectoryError(f"{folder}: others may enter it: run `chmod 700 {folder}`")


def _check_still_there(run: RunDirectory, descriptor: int) -> None:
    """Refuse a lock whose file was removed between its opening and its locking, with the folder around it."""
    try:
        if run.lock.stat().st_ino == os.fstat(descriptor).st_ino:
            return
    except FileNotFoundError:
        pass
    os.close(descriptor)
    raise RunDirectoryError(f"endpoint {run.name!r} was just stopping: try again")


def _furnish(run: RunDirectory, descriptor: int) -> None:
    _empty(run)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    for folder in (run.envoy, run.logs):
        folder.mkdir(mode=0o700)


def _empty(run: RunDirectory) -> None:
    for path in run.path.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != LOCK_FILE:
            path.unlink()
