"""The remote repository becomes a local one: its index first, then what is not here yet, checked, then the switch.

Until the last file has the size and hash that the index gives, the old state is the one that is served. What was
fetched before a failure or a kill is used by the next pull.
"""

import hashlib
import os
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tritext_store.errors import Damaged, NotFound, StoreError
from tritext_store.filesystem import explained_here
from tritext_store.home import Home
from tritext_store.index import INDEX_NAME, MOST_INDEX_BYTES, Entry, Index, decode
from tritext_store.local import hash_file
from tritext_store.objects import Objects
from tritext_store.push import Progress

DOWNLOADS = 4
BLOCK_BYTES = 8 << 20
# How often a pull begins anew because the remote repository has moved on and tidied up.
ATTEMPTS = 3
Tell = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull did.

    Attributes:
        generation: Name of the state that is now in force here.
        files: How many files it has.
        bytes: Their size.
        fetched: Bytes that were not here yet.
        changed: Whether it is another state than before.
    """

    generation: str
    files: int
    bytes: int
    fetched: int
    changed: bool


def pull(objects: Objects, target: Path, progress: Progress) -> Pulled:
    """Pull a repository.

    Args:
        objects: The remote one.
        target: Where the local one is to be; becomes a link to its state in force.
        progress: Hears how far it is.

    Returns:
        What was done.

    Raises:
        StoreError: the local repository stays what it was.
    """
    home = Home(target)
    index = read_index(objects)
    with explained_here(target), home.locked():
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return _take(objects, home, index, progress)
            except NotFound as error:
                newer = read_index(objects)
                if newer.generation == index.generation or attempt == ATTEMPTS:
                    raise Damaged(f"{error}: the index names it: push again with --again") from error
                index = newer
    raise StoreError(f"{objects.location}: changes too fast to be pulled: try again later")


def read_index(objects: Objects) -> Index:
    """Read what the remote repository is now.

    Raises:
        NotFound: nothing was pushed to there, or the first push is not done.
        Damaged: what is there is no index.
    """
    try:
        content, _ = objects.read(INDEX_NAME, MOST_INDEX_BYTES + 1)
    except NotFound as error:
        raise NotFound(f"{error}; a repository is there once `tritext repository push` has finished") from error
    return decode(content, objects.location)


def _take(objects: Objects, home: Home, index: Index, progress: Progress) -> Pulled:
    here, former, fetched = home.index(), home.current, 0
    if here is not None and here.generation == index.generation:
        return Pulled(index.generation, len(index.files), index.bytes, 0, changed=False)
    state = home.complete(index)
    if state is None:
        staging = home.staging(index)
        fetched = _Fetch(objects, staging, home.current).all(index, home, progress)
        state = home.finish(staging, index)
    home.switch(state)
    home.tidy(former)
    return Pulled(index.generation, len(index.files), index.bytes, fetched, changed=True)


class _Fetch:
    """Fills a staging folder."""

    def __init__(self, objects: Objects, staging: Path, former: Path | None) -> None:
        self._objects, self._staging, self._former = objects, staging, former
        self._stop = threading.Event()

    def all(self, index: Index, home: Home, progress: Progress) -> int:
        """Give every file its content; returns the bytes that had to be fetched."""
        tell = progress.stage("checking what is here", index.bytes)
        wanted = [entry for entry in index.files if not self._have(entry, tell)]
        total = sum(entry.bytes for entry in wanted)
        home.require_space(total)
        tell = progress.stage("fetching", total)
        with ThreadPoolExecutor(DOWNLOADS) as pool:
            try:
                for job in [pool.submit(self._fetch, entry, tell) for entry in wanted]:
                    job.result()
            except BaseException:
                self._stop.set()
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        return total

    def _have(self, entry: Entry, tell: Tell) -> bool:
        """Whether a file is in the staging folder, or could be taken over from the state in force."""
        path = self._staging / entry.path
        with explained_here(path):
            _make_folders(self._staging, path.parent)
            if path.is_file() and not path.is_symlink():
                if hash_file(path, _quiet) == (entry.bytes, entry.sha256):
                    tell(entry.bytes)
                    return True
                path.unlink()
            old = self._former / entry.path if self._former else None
            if old and old.is_file() and hash_file(old, _quiet) == (entry.bytes, entry.sha256):
                _copy(old, path)
                tell(entry.bytes)
                return True
        tell(entry.bytes)
        return False

    def _fetch(self, entry: Entry, tell: Tell) -> None:
        """Fetch one file, going on with what is there of it; it has its name only when it has its hash."""
        path = self._staging / entry.path
        part = path.with_name(f".{path.name}.{entry.sha256[:12]}.part")
        with explained_here(path):
            found = self._fill(part, entry, tell)
            if found != entry.sha256 and not self._stop.is_set():
                part.unlink()  # perhaps what an earlier pull has left is what is wrong
                found = self._fill(part, entry, _quiet)
            if self._stop.is_set():
                return
            if found != entry.sha256:
                part.unlink()
                raise Damaged(
                    f"{self._objects.location}: {entry.path}: what came has sha256 {found[:12]}…, what was pushed "
                    f"{entry.sha256[:12]}…: pull again; if it stays so, push with --again"
                )
            part.replace(path)

    def _fill(self, part: Path, entry: Entry, tell: Tell) -> str:
        """Append to a file until it has its size; gives its hash, be it the right one or not."""
        digest = hashlib.sha256()
        with part.open("ab+") as file:
            done = _resume(file.fileno(), entry, digest.update)
            tell(done)
            while done < entry.bytes and not self._stop.is_set():
                block = self._objects.block(entry.blob, done, min(done + BLOCK_BYTES, entry.bytes))
                if not block:
                    break
                file.write(block)
                digest.update(block)
                done += len(block)
                tell(len(block))
            file.flush()
            os.fsync(file.fileno())
        return digest.hexdigest()


def _resume(descriptor: int, entry: Entry, update: Callable[[bytes], None]) -> int:
    """Hash what a stopped pull has left of a file, and say how much that is."""
    size = os.fstat(descriptor).st_size
    if size > entry.bytes:
        os.ftruncate(descriptor, 0)
        return 0
    for start in range(0, size, BLOCK_BYTES):
        update(os.pread(descriptor, min(BLOCK_BYTES, size - start), start))
    return size


def _copy(source: Path, target: Path) -> None:
    """Copy a file onto the disk; not a link, since what is changed there must not change here."""
    with source.open("rb") as reader, target.open("wb") as writer:
        shutil.copyfileobj(reader, writer)
        writer.flush()
        os.fsync(writer.fileno())


def _make_folders(root: Path, folder: Path) -> None:
    """Make a folder below ``root``; what stands in its place and is no folder is removed."""
    for part in reversed([folder, *folder.parents][: len(folder.relative_to(root).parts)]):
        if part.is_symlink() or part.is_file():
            part.unlink()
        part.mkdir(exist_ok=True)


def _quiet(size: int) -> None:
    """Tell nobody."""
