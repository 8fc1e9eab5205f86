"""One remote repository's blobs, by their names below its address: conditional reads and writes over any storage.

``open_objects`` gives Azure's, another cloud's, or a folder's; push and pull know no difference.
"""

import datetime
import fcntl
import hashlib
import os
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from tritext_store.errors import Changed, Damaged, LocationError, NotFound
from tritext_store.faults import NO_CONTAINER
from tritext_store.filesystem import explained, locate, open_filesystem
from tritext_store.location import Location

Tell = Callable[[int], None]
COPY_BYTES = 1 << 20


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

    def close(self) -> None:
        """Give up the connections, if there are any."""


def open_objects(uri: str) -> Objects:
    """Open a remote repository; nothing is sent yet.

    Raises:
        LocationError: the address cannot be understood.
        MissingExtra: the package for this kind of storage is not installed.
    """
    location = locate(uri)
    return FolderObjects(location) if location.kind == "file" else CloudObjects(location)


class CloudObjects:
    """Blobs of Azure, S3 or Google, through fsspec."""

    def __init__(self, location: Location) -> None:
        """Make a client.

        Args:
            location: The remote repository.
        """
        self.location = location
        with explained(location):
            self._files, self._root = open_filesystem(location)

    def read(self, name: str, most: int) -> tuple[bytes, str]:
        """Read a blob's beginning, and the tag that changes with it."""
        path = self._path(name)
        with explained(self.location.below(name)):
            if self.location.kind == "azure":
                content, tag = self._files.read_tagged(path, most)
                return content, tag
            # Tag first: content that is newer than its tag makes the conditional write fail, never succeed wrongly.
            tag = str(self._files.info(path).get("ETag", ""))
            return self._files.cat_file(path, start=0, end=most), tag

    def replace(self, name: str, content: bytes, tag: str | None) -> None:
        """Write a blob if it is still the one of this tag."""
        path, where = self._path(name), self.location.below(name)
        try:
            with explained(where):
                if self.location.kind == "azure":
                    self._files.write_tagged(path, content, tag)
                elif tag is None:
                    self._files.pipe_file(path, content, mode="create")
                elif self.location.kind == "s3":
                    bucket, _, key = path.partition("/")
                    self._files.call_s3("put_object", Bucket=bucket, Key=key, Body=content, IfMatch=tag)
                else:
                    raise LocationError(f"{where}: cannot be replaced safely here: push to an empty path")
        except FileExistsError as error:
            raise Changed(f"{where}: somebody else has written it meanwhile: try again") from error

    def sizes(self, folder: str) -> Mapping[str, tuple[int, float]]:
        """List a folder."""
        with explained(self.location.below(folder)):
            try:
                found: Mapping[str, Any] = self._files.find(self._path(folder), detail=True)
            except FileNotFoundError:
                return {}
        return {
            f"{folder}/{path.rpartition('/')[2]}": (int(facts["size"]), _modified(facts))
            for path, facts in found.items()
        }

    def upload(self, name: str, path: Path, sha256: str, tell: Tell) -> None:
        """Write a file as a blob, unless its hash has changed."""
        with explained(self.location.below(name)):
            if self.location.kind == "azure":
                if not self._files.upload_hashed(path, self._path(name), sha256, tell):
                    raise _edited(path)
                return
            content = path.read_bytes()
            if hashlib.sha256(content).hexdigest() != sha256:
                raise _edited(path)
            self._files.pipe_file(self._path(name), content)
            tell(len(content))

    def block(self, name: str, start: int, end: int) -> bytes:
        """Read a part of a blob."""
        try:
            with explained(self.location.below(name)):
                content: bytes = self._files.cat_file(self._path(name), start=start, end=end)
        except Damaged:  # it ends before that
            return b""
        return content

    def remove(self, names: Iterable[str]) -> None:
        """Remove blobs."""
        for name in names:
            with explained(self.location.below(name)):
                try:
                    self._files.rm_file(self._path(name))
                except FileNotFoundError:
                    continue

    def close(self) -> None:
        """Give up the connections."""
        if self.location.kind == "azure":
            self._files.close()

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"


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
        with explained(self.location.below(name)), (self._root / name).open("rb") as file:
            content = file.read(most)
            file.seek(0)
            return content, hashlib.file_digest(file, "sha256").hexdigest()

    def replace(self, name: str, content: bytes, tag: str | None) -> None:
        """Write a file if it is still the one of this tag."""
        where = self.location.below(name)
        with explained(where):
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
        with explained(self.location.below(folder)):
            found = [p for p in (self._root / folder).glob("*") if not p.name.startswith(".")]
            facts = {f"{folder}/{p.name}": p.stat() for p in found}
        return {name: (fact.st_size, fact.st_mtime) for name, fact in facts.items()}

    def upload(self, name: str, path: Path, sha256: str, tell: Tell) -> None:
        """Copy a file, unless its hash has changed."""
        target = self._root / name
        with explained(self.location.below(name)):
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = target.with_name(f".{target.name}.{uuid.uuid4().hex}.partial")
            try:
                if _copy(path, partial, tell) != sha256:
                    raise _edited(path)
                partial.replace(target)
            finally:
                partial.unlink(missing_ok=True)

    def block(self, name: str, start: int, end: int) -> bytes:
        """Read a part of a file."""
        with explained(self.location.below(name)), (self._root / name).open("rb") as file:
            file.seek(start)
            return file.read(end - start)

    def remove(self, names: Iterable[str]) -> None:
        """Remove files."""
        for name in names:
            with explained(self.location.below(name)):
                (self._root / name).unlink(missing_ok=True)

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
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


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


def _edited(path: Path) -> Changed:
    return Changed(f"{path}: was changed while it was being pushed: push again")


def _modified(facts: Mapping[str, Any]) -> float:
    when = facts.get("last_modified") or facts.get("LastModified") or facts.get("mtime")
    if not isinstance(when, datetime.datetime):
        raise Damaged(f"{facts.get('name')}: the storage does not say when it was changed")
    return when.timestamp()
