"""One remote repository's blobs, by their names below its address: conditional reads and writes over any storage.

``open_objects`` gives Azure's, another cloud's, or a folder's; push and pull know no difference.
"""

import contextlib
import fcntl
import hashlib
import os
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Protocol

from tritext_store.errors import Changed, NotFound
from tritext_store.faults import NO_CONTAINER
from tritext_store.filesystem import explained_here, locate
from tritext_store.location import Location

Tell = Callable[[int], None]
COPY_BYTES = 1 << 20
_PARTIAL = ".partial"


class Objects(Protocol):
    """What push and pull need of a storage. Every method may raise ``StoreError``."""

    location: Location

    def read(self, name: str, most: int) -> tuple[bytes, str]:
        """Read a blob, but no more than so many bytes of it, and the tag that changes with it."""

    def replace(self, name: str, content: bytes, tag: str | None) -> None:
        """Write a blob if it is still the one of this tag; with None, if there is none. Else ``Changed``."""

    def sizes(self, folder: str) -> Mapping[str, tuple[int, float]]:
        """List a folder: size and time of the last change, by name."""

    def upload(self, name: str, path: Path, sha256: str, tell: Tell) -> None:
        """Write a file as a blob, and nothing if it has not this hash any more; ``Changed`` then."""

    def block(self, name: str, start: int, end: int) -> bytes:
        """Read a part of a blob, as much of it as there is."""

    def remove(self, names: Iterable[str]) -> None:
        """Remove blobs; those that are gone are no error."""

    def sweep(self, folder: str, grace: float) -> None:
        """Remove what uploads that were killed have left in part, if it is older than so many seconds."""

    def close(self) -> None:
        """Give up the connections, if there are any."""


def open_objects(uri: str) -> Objects:
    """Open a remote repository; nothing is sent yet.

    Raises:
        LocationError: the address cannot be understood.
        MissingExtra: the package for this kind of storage is not installed.
    """
    location = locate(uri)
    if location.kind == "file":
        return FolderObjects(location)
    from tritext_store.cloud import CloudObjects

    return CloudObjects(location)


class FolderObjects:
    """Files of a folder, such as one that several machines have mounted."""

    def __init__(self, location: Location) -> None:
        """Look at nothing yet.

        Args:
            location: The folder.
        """
        self.location, self._root = location, Path(location.path)

    def read(self, name: str, most: int) -> tuple[bytes, str]:
        """Read a file's beginning, and the hash of all of it."""
        with explained_here(self.location.below(name)), (self._root / name).open("rb") as file:
            content = file.read(most)
            file.seek(0)
            return content, hashlib.file_digest(file, "sha256").hexdigest()

    def replace(self, name: str, content: bytes, tag: str | None) -> None:
        """Write a file if it is still the one of this tag."""
        where = self.location.below(name)
        with explained_here(where):
            self._root.mkdir(parents=True, exist_ok=True)
            with (self._root / f".{name}.lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                path = self._root / name
                there = self.read(name, 0)[1] if path.exists() else None
                if there != tag:
                    raise Changed(f"{where}: somebody else has written it meanwhile: try again")
                write_whole(path, content)

    def sizes(self, folder: str) -> Mapping[str, tuple[int, float]]:
        """List a folder."""
        with explained_here(self.location.below(folder)):
            found = [p for p in (self._root / folder).glob("*") if not p.name.startswith(".")]
            facts = {f"{folder}/{p.name}": p.stat() for p in found}
        return {name: (fact.st_size, fact.st_mtime) for name, fact in facts.items()}

    def upload(self, name: str, path: Path, sha256: str, tell: Tell) -> None:
        """Copy a file, unless its hash has changed."""
        target = self._root / name
        with explained_here(self.location.below(name)):
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = target.with_name(f".{target.name}.{uuid.uuid4().hex}{_PARTIAL}")
            try:
                if _copy(path, partial, tell) != sha256:
                    raise edited(path)
                partial.replace(target)
            finally:
                partial.unlink(missing_ok=True)

    def block(self, name: str, start: int, end: int) -> bytes:
        """Read a part of a file."""
        with explained_here(self.location.below(name)), (self._root / name).open("rb") as file:
            file.seek(start)
            return file.read(end - start)

    def remove(self, names: Iterable[str]) -> None:
        """Remove files."""
        for name in names:
            with explained_here(self.location.below(name)):
                (self._root / name).unlink(missing_ok=True)

    def sweep(self, folder: str, grace: float) -> None:
        """Remove the parts of files; how old they are, the folder's own clock says."""
        with explained_here(self.location.below(folder)):
            now = max((path.stat().st_mtime for path in self._root.glob("*")), default=0.0)
            for path in (self._root / folder).glob(f".*{_PARTIAL}"):
                if now - path.stat().st_mtime > grace:
                    path.unlink(missing_ok=True)

    def close(self) -> None:
        """Have nothing to give up."""


def read_if_there(objects: Objects, name: str, most: int) -> tuple[bytes, str] | None:
    """Read a blob that may not be there yet; None then. A container that is not there is an error."""
    try:
        return objects.read(name, most)
    except NotFound as error:
        if NO_CONTAINER in str(error):
            raise
        return None


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file so that a reader sees the old one or the new one, after a crash too."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise


def _copy(source: Path, target: Path, tell: Tell) -> str:
    digest = hashlib.sha256()
    with source.open("rb") as reader, target.open("wb") as writer:
        while block := reader.read(COPY_BYTES):
            digest.update(block)
            writer.write(block)
            tell(len(block))
        writer.flush()
        os.fsync(writer.fileno())
    return digest.hexdigest()


def edited(path: Path) -> Changed:
    """Say that a file is not what was hashed any more."""
    return Changed(f"{path}: was changed while it was being pushed: push again")
