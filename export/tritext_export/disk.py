"""Writing to a disk that may fill up, under a process that may be killed: whole files or none, one writer at a time."""

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from tritext_export.errors import RepositoryError

LOCK_FILE = ".lock"
_REMEDIES = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some of your quota",
    errno.EFBIG: "raise the limit on a file's size (ulimit -f)",
    errno.EACCES: "give yourself the right to write there",
    errno.ENOLCK: "its file system keeps no locks: choose another --repository",
    errno.EROFS: "it is mounted read-only: choose another --repository",
    errno.ENOTDIR: "a file is in the way: choose another --repository",
    errno.EEXIST: "a file is in the way: choose another --repository",
}


def write_atomically(path: Path, content: str | bytes) -> None:
    """Replace a file so that a reader sees the old one or the new one, whole, after a crash too."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def flush(root: Path) -> None:
    """Write every file and folder below ``root`` through to the disk."""
    for directory, _, names in os.walk(root):
        for name in names:
            with (Path(directory) / name).open("rb") as file:
                os.fsync(file.fileno())
        sync_directory(Path(directory))


def sync_directory(directory: Path) -> None:
    """Write a folder's list of names through to the disk."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def locked(repository: Path) -> Iterator[None]:
    """Be the only writer of a repository; the kernel lets go of a dead one's lock.

    Raises:
        RepositoryError: another one is at work, or the disk does not play along.
    """
    with explained(repository):
        lock = (repository / LOCK_FILE).open("w")
    with lock, explained(repository):
        try:
            fcntl.flock(lock.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RepositoryError(
                f"{repository}: another export is writing to it: try again when it is done"
            ) from error
        yield


def in_use(folder: Path) -> bool:
    """Tell whether a running server holds a version folder: it keeps a shared lock on it for as long as it lives."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextlib.contextmanager
def explained(repository: Path) -> Iterator[None]:
    """Say what an operating-system error means for the user."""
    try:
        yield
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0, "nothing was published")
        raise RepositoryError(f"{repository}: {error.strerror or error}: {remedy}") from error
