"""A model repository on this disk, to be pushed: a folder in, its files with their hashes out."""

import contextlib
import fcntl
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

from tritext_store.allowed import require_allowed
from tritext_store.errors import Changed, LocalError, Unexpected
from tritext_store.index import Entry

LOCK_FILE = ".lock"
BLOCK_BYTES = 1 << 20
Tell = Callable[[int], None]


def list_files(repository: Path) -> tuple[str, ...]:
    """Name every file that a server would read; hidden ones and loose ones beside the models are none.

    Raises:
        LocalError: there is no such folder, or no model in it.
        Unexpected: a file or a link that does not belong there.
    """
    if not repository.is_dir():
        raise LocalError(f"{repository}: no such directory: make one with `tritext export`")
    found: list[str] = []
    for folder in sorted(p for p in repository.iterdir() if p.is_dir() and not p.name.startswith(".")):
        for path in _walk(folder):
            name = path.relative_to(repository).as_posix()
            require_allowed(name, repository)
            found.append(name)
    if not any(name.endswith("/config.pbtxt") for name in found):
        raise LocalError(f"{repository}: holds no model: make one with `tritext export`")
    return tuple(found)


def measure(repository: Path, names: tuple[str, ...], tell: Tell) -> tuple[Entry, ...]:
    """Hash files; ``tell`` hears of every block's bytes."""
    return tuple(Entry(name, *hash_file(repository / name, tell)) for name in names)


def hash_file(path: Path, tell: Tell) -> tuple[int, str]:
    """Give a file's size and sha256.

    Raises:
        LocalError: it cannot be read.
    """
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                digest.update(block)
                size += len(block)
                tell(len(block))
    except OSError as error:
        raise LocalError(f"{path}: {error.strerror}: let this user read it") from error
    return size, digest.hexdigest()


@contextlib.contextmanager
def unchanging(repository: Path) -> Iterator[None]:
    """Keep exports out while a repository is read.

    Raises:
        Changed: one is at work.
    """
    path = repository / LOCK_FILE
    if not path.is_file():  # nothing has been exported here, or it cannot be: a read-only copy
        yield
        return
    with path.open("rb") as lock:
        try:
            fcntl.flock(lock.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Changed(f"{repository}: an export is writing to it: push again when it is done") from error
        yield


def _walk(folder: Path) -> Iterator[Path]:
    if folder.is_symlink():
        raise Unexpected(f"{folder}: is a link: put the folder itself there")
    for path in sorted(p for p in folder.iterdir() if not p.name.startswith(".")):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise Unexpected(f"{path}: is a link or a device: put the file itself there")
        if path.is_dir():
            yield from _walk(path)
        else:
            yield path
