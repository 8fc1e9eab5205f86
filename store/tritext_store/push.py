"""A local repository becomes the remote one: contents first, then the index, and only over the index that was read.

Killed at any point, the remote repository is the old one or the new one, and the next push finds what was uploaded. Of
two pushers at once one wins and the other is told so.

What no kept state needs is removed once it is old, and safely so without a clock: the index that is written says what
is to go, and then it goes. Whoever has read the index before that cannot write theirs any more; whoever reads it
afterwards does not count on what it condemns, but uploads that content anew, under another name.
"""

import datetime
import secrets
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from tritext_store.errors import Changed, Damaged, Denied, StoreError, Unexpected
from tritext_store.filesystem import explained_here
from tritext_store.index import (
    CONTENT,
    INDEX_NAME,
    MOST_CONDEMNED,
    MOST_INDEX_BYTES,
    Entry,
    Index,
    decode,
    encode,
)
from tritext_store.local import list_files, measure, unchanging
from tritext_store.objects import Objects, read_if_there

UPLOADS = 4
# What a push that was killed has uploaded waits so long for the next one.
GRACE_SECONDS = 86_400.0
MARK_BYTES = 8
There = Mapping[str, tuple[int, float]]


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
    with explained_here(repository), unchanging(repository):
        names = list_files(repository)
        size = sum((repository / name).stat().st_size for name in names)
        found = measure(repository, names, progress.stage("hashing", size))
        before, tag = _read_remote(objects, again=again)
        there = objects.sizes(CONTENT)  # after the index: what is condemned later, the index' condition catches
        files, wanted = placed(found, () if again else usable(before or _NOTHING, there))
        _upload(repository, objects, wanted, progress)
    uploaded = sum(entry.bytes for entry in wanted)
    index = (before or _NOTHING).succeed(files, datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"))
    changed = before is None or index.generation != before.generation
    note = ""
    if before is None or index.files != before.files:
        index = replace(index, condemned=condemned(index, there, before))
        _require_contents(objects, index)
        _publish(objects, index, tag)
        note = _tidy(objects, index, there)
    return Pushed(index.generation, len(files), index.bytes, uploaded, changed, note)


def usable(before: Index, there: There) -> tuple[tuple[str, int], ...]:
    """Find the contents that a push may count on: names and sizes of those that are not condemned.

    Args:
        before: The state in force; what it names comes first.
        there: What the storage has: size and time, by blob.
    """
    gone, named = set(before.condemned), set(before.contents)
    stored = [(blob.removeprefix(f"{CONTENT}/"), size) for blob, (size, _) in there.items()]
    return tuple(sorted((found for found in stored if found[0] not in gone), key=lambda f: (f[0] not in named, f)))


def placed(files: Iterable[Entry], there: Iterable[tuple[str, int]]) -> tuple[tuple[Entry, ...], tuple[Entry, ...]]:
    """Say where each file's content lies or is to lie.

    Args:
        files: The new state's.
        there: What may be counted on: names and sizes, the best first.

    Returns:
        The files with their marks, and one of each content that is to be uploaded, under a name that nobody has used.
    """
    marks: dict[tuple[str, int], str] = {}
    for name, size in there:
        sha256, _, mark = name.partition(".")
        marks.setdefault((sha256, size), mark)
    wanted: dict[str, Entry] = {}
    placed_files = []
    for entry in files:
        key = (entry.sha256, entry.bytes)
        if key not in marks:
            marks[key] = secrets.token_hex(MARK_BYTES)
            wanted[entry.sha256] = replace(entry, mark=marks[key])
        placed_files.append(replace(entry, mark=marks[key]))
    return tuple(placed_files), tuple(wanted.values())


def condemned(index: Index, there: There, before: Index | None) -> tuple[str, ...]:
    """Find the contents that no later state may name: what is condemned already, and what is old and in no kept state.

    Args:
        index: The state to come.
        there: What the storage has: size and time, by blob.
        before: The state in force; None where none can be read, and so nobody knows what it has condemned.
    """
    needed, old = index.needed(), set(aged(there))
    names = [blob.removeprefix(f"{CONTENT}/") for blob in there]
    already = set(names if before is None else before.condemned)
    going = [name for name in names if name not in needed and (name in already or f"{CONTENT}/{name}" in old)]
    return tuple(sorted(going, key=lambda name: (name not in already, name)))[:MOST_CONDEMNED]


def aged(there: There, grace: float = GRACE_SECONDS) -> tuple[str, ...]:
    """Find the blobs that no push that was killed has left a short while ago, by the storage's own clock.

    Args:
        there: Size and time of each, by name.
        grace: How many seconds are a short while.
    """
    now = max((written for _, written in there.values()), default=0.0)
    return tuple(name for name, (_, written) in there.items() if now - written > grace)


def _read_remote(objects: Objects, *, again: bool) -> tuple[Index | None, str | None]:
    """Read the index and its tag; no index where there is one that cannot be read, and that may be replaced."""
    found = read_if_there(objects, INDEX_NAME, MOST_INDEX_BYTES + 1)
    if found is None:
        return _NOTHING, None
    content, tag = found
    try:
        return decode(content, objects.location), tag
    except (Damaged, Unexpected):
        if not again:
            raise
        return None, tag


def _upload(repository: Path, objects: Objects, wanted: tuple[Entry, ...], progress: Progress) -> None:
    if not wanted:
        return
    tell, stop = progress.stage("uploading", sum(entry.bytes for entry in wanted)), threading.Event()

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


def _require_contents(objects: Objects, index: Index) -> None:
    """Look once more before the index is written: who takes longer than the grace may find the contents gone."""
    there = objects.sizes(CONTENT)
    if lost := [entry.path for entry in index.files if there.get(entry.blob, (-1, 0.0))[0] != entry.bytes]:
        raise Changed(f"{objects.location}: {lost[0]}: somebody has removed what was uploaded of it: push again")


def _publish(objects: Objects, index: Index, tag: str | None) -> None:
    """Write the index over the one that was read."""
    try:
        objects.replace(INDEX_NAME, encode(index), tag)
    except Changed:
        # Where an answer is lost, the client sends it again, and meets what it has written itself.
        if _read_remote(objects, again=True)[0] != index:
            raise


def _tidy(objects: Objects, index: Index, there: There) -> str:
    """Remove what the index that is in force has condemned."""
    going = {f"{CONTENT}/{name}" for name in index.condemned}
    try:
        objects.remove(name for name in aged(there) if name in going)
        objects.sweep(CONTENT, GRACE_SECONDS)
    except Denied:
        return "contents that nobody needs any more stay: the identity may not delete"
    except StoreError as error:
        return f"contents that nobody needs any more stay until the next push: {error}"
    return ""


_NOTHING = Index(())
