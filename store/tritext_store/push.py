"""A local repository becomes the remote one: contents first, then the index, and only over the index that was read.

Killed at any point, the remote repository is the old one or the new one, and the next push finds what was uploaded. Of
two pushers at once one wins and the other is told so. What no kept state needs is removed, once it is old enough that
no push under way can count on it.
"""

import datetime
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tritext_store.errors import Changed, Damaged, Denied, StoreError, Unexpected
from tritext_store.filesystem import explained
from tritext_store.index import CONTENT, INDEX_NAME, MOST_INDEX_BYTES, Entry, Index, decode, encode
from tritext_store.local import list_files, measure, unchanging
from tritext_store.objects import Objects, read_if_there

UPLOADS = 4
# A push that takes longer than this may find that contents it counted on are gone; it is then refused, not published.
GRACE_SECONDS = 86_400.0


class Progress(Protocol):
    """Who hears how far a transfer is."""

    def stage(self, what: str, total: int) -> Callable[[int], None]:
        """Begin a stage of so many bytes; gives what is to be called with the bytes of each step."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push did.

    Attributes:
        generation: Name of the state that is now the remote one.
        files: How many files it has.
        bytes: Their size.
        uploaded: Bytes that were not there yet.
        changed: Whether it is another state than before.
        note: What could not be tidied up; "" if all is well.
    """

    generation: str
    files: int
    bytes: int
    uploaded: int
    changed: bool
    note: str = ""


def push(repository: Path, objects: Objects, progress: Progress, *, again: bool = False) -> Pushed:
    """Push a repository.

    Args:
        repository: The local one.
        objects: The remote one.
        progress: Hears how far it is.
        again: Upload what is there already, too, and replace an index that cannot be read: they may be damaged.

    Returns:
        What was done.

    Raises:
        StoreError: the remote repository stays what it was.
    """
    with explained(repository), unchanging(repository):
        names = list_files(repository)
        size = sum((repository / name).stat().st_size for name in names)
        files = measure(repository, names, progress.stage("hashing", size))
        before, tag = _read_remote(objects, again=again)
        index = before.succeed(files, datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"))
        unchanged = index.generation == before.generation
        uploaded = _upload(repository, objects, index, progress, again=again)
    if not unchanged:
        _require_contents(objects, index)
        _publish(objects, index, tag)
    note = "" if unchanged else _tidy(objects, index)
    return Pushed(index.generation, len(files), index.bytes, uploaded, not unchanged, note)


def missing(index: Index, there: dict[str, int]) -> tuple[Entry, ...]:
    """Find the files whose contents are to be uploaded, each content once.

    Args:
        index: The new state.
        there: Sizes of the blobs that there are, by name.
    """
    wanted = {entry.sha256: entry for entry in index.files if there.get(entry.blob) != entry.bytes}
    return tuple(wanted.values())


def superfluous(index: Index, there: dict[str, float], grace: float = GRACE_SECONDS) -> tuple[str, ...]:
    """Find the blobs that nobody needs: in no kept state, and older than any push that is under way.

    Args:
        index: The state in force.
        there: When each blob was written, by name; by the storage's own clock.
        grace: Seconds that a push may take.
    """
    needed = {f"{CONTENT}/{sha256}" for sha256 in index.needed()}
    now = max(there.values(), default=0.0)
    return tuple(name for name, written in there.items() if name not in needed and now - written > grace)


def _read_remote(objects: Objects, *, again: bool) -> tuple[Index, str | None]:
    found = read_if_there(objects, INDEX_NAME, MOST_INDEX_BYTES + 1)
    if found is None:
        return Index(()), None
    content, tag = found
    try:
        return decode(content, objects.location), tag
    except (Damaged, Unexpected):
        if not again:
            raise
        return Index(()), tag


def _upload(repository: Path, objects: Objects, index: Index, progress: Progress, *, again: bool) -> int:
    there = {} if again else {name: size for name, (size, _) in objects.sizes(CONTENT).items()}
    wanted = missing(index, there)
    total = sum(entry.bytes for entry in wanted)
    if not wanted:
        return 0
    tell, stop = progress.stage("uploading", total), threading.Event()

    def heard(size: int) -> None:
        if stop.is_set():  # the others' uploads end behind the block that they are at
            raise StoreError("stopped")
        tell(size)

    with ThreadPoolExecutor(UPLOADS) as pool:
        try:
            jobs = [pool.submit(objects.upload, e.blob, repository / e.path, e.sha256, heard) for e in wanted]
            for job in jobs:
                job.result()
        except BaseException:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return total


def _require_contents(objects: Objects, index: Index) -> None:
    """Look once more before the index is written: another push may have tidied up meanwhile."""
    if lost := missing(index, {name: size for name, (size, _) in objects.sizes(CONTENT).items()}):
        raise StoreError(f"{objects.location}: {lost[0].path} is not there after its upload: push again")


def _publish(objects: Objects, index: Index, tag: str | None) -> None:
    """Write the index over the one that was read."""
    try:
        objects.replace(INDEX_NAME, encode(index), tag)
    except Changed:
        # Where an answer is lost, the client sends it again, and meets what it has written itself.
        if _read_remote(objects, again=True)[0] != index:
            raise


def _tidy(objects: Objects, index: Index) -> str:
    try:
        there = {name: written for name, (_, written) in objects.sizes(CONTENT).items()}
        objects.remove(superfluous(index, there))
    except Denied:
        return "contents that nobody needs any more stay: the identity may not delete"
    except StoreError as error:
        return f"contents that nobody needs any more stay until the next push: {error}"
    return ""
