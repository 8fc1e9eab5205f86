"""Where inputs lie and outputs go: a file of this machine or a blob. Opens, identifies, publishes; reads no rows."""

import errno
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Protocol

from tritext_batch.errors import InputError, OutputError
from tritext_batch.stamps import Stamp, same
from tritext_batch.workspace import sync_folder, written
from tritext_store.location import parse_location

EXISTS = "exists: name another output, or replace it with --overwrite"
# What file systems without hard links answer.
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


class Place(Protocol):
    """A file or a blob."""

    def stamp(self) -> Stamp:
        """Identify what is there now; InputError where nothing is."""

    def open(self) -> BinaryIO:
        """Open it for reading, seekable."""

    def exists(self) -> bool:
        """Whether something is there."""

    def require_writable(self, size: int, *, overwrite: bool) -> None:
        """Find out before any work whether so many bytes can be put there, without putting anything there.

        Raises:
            OutputError, StoreError: they cannot, or there is something already that must not be replaced.
        """

    def publish(self, path: Path, *, overwrite: bool) -> None:
        """Put a finished local file there, whole or not at all; the file may be gone afterwards.

        Raises:
            OutputError: something else is there that must not be replaced.
        """

    def remove(self) -> None:
        """Remove what is there, if anything is."""


def local_path(uri: str) -> Path | None:
    """Give the path on this machine that a path or a ``file://`` URI means; None for all others.

    Raises:
        LocationError: it names another machine's file.
    """
    if uri.startswith("file://"):
        return Path(parse_location(uri).path)
    return None if "://" in uri else Path(uri)


def same_place(one: str, other: str) -> bool:
    """Whether two paths or URIs are one address, or lead to one file of this machine."""
    here, there = local_path(one), local_path(other)
    if here is None or there is None:
        return one == other
    return os.path.realpath(here) == os.path.realpath(there)


def place(uri: str) -> Place:
    """Find the place that a path or a URI names; nothing is asked of it yet."""
    if (path := local_path(uri)) is not None:
        return LocalPlace(path)
    from tritext_batch.blobs import BlobPlace

    return BlobPlace(uri)


def require_room(folder: Path, size: int) -> None:
    """Find out whether a folder can take so many bytes, and leave nothing in it.

    Raises:
        OutputError: it cannot.
    """
    with written(folder, "make that folder, let this user write in it, or name another"):
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"?")
        free = shutil.disk_usage(folder).free
    if free < size:
        raise OutputError(
            f"{folder}: {free / 1e6:,.0f} MB are free, and about {size / 1e6:,.0f} MB will be written: "
            "free some space, or name another place"
        )


def move(source: Path, target: Path, *, overwrite: bool) -> None:
    """Rename a file within its file system.

    Raises:
        FileExistsError: there is one already, and it must not be replaced, not even if it came this moment.
    """
    if not overwrite:
        try:
            os.link(source, target)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            target.touch(exist_ok=False)  # holds the name, where a file cannot have two
        else:
            source.unlink()
            return
    source.replace(target)


class LocalPlace:
    """A file of this machine."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def stamp(self) -> Stamp:
        """Identify it by its size and the time of its last change.

        Raises:
            InputError: it is not there, or no regular file.
        """
        try:
            found = self._path.stat()
        except OSError as error:
            raise InputError(f"{self._path}: {error.strerror}: name the file to score") from error
        if self._path.is_dir():
            raise InputError(f"{self._path}: is a folder: name a file in it")
        if not self._path.is_file():
            raise InputError(
                f"{self._path}: no regular file, and a job reads its input twice if it must go on later: copy it to one"
            )
        return Stamp(found.st_size, str(found.st_mtime_ns))

    def open(self) -> BinaryIO:
        """Open it.

        Raises:
            InputError: it may not be read.
        """
        try:
            return self._path.open("rb")
        except OSError as error:
            raise InputError(f"{self._path}: {error.strerror}: name the file to score") from error

    def exists(self) -> bool:
        """Whether something is there."""
        return self._path.exists()

    def require_writable(self, size: int, *, overwrite: bool) -> None:
        """Make a file without a name in the folder, which the system takes away again, and look at the room there.

        Raises:
            OutputError: the folder is not there, is full, or may not be written; or what is here is no regular file.
        """
        with written(self._path, "let this user into that folder, or name another output"):
            there, regular = self.exists(), self._path.is_file()
        if there and not regular:
            raise OutputError(f"{self._path}: is no regular file, so it cannot be replaced: name another output")
        if there and not overwrite:
            raise OutputError(f"{self._path}: {EXISTS}")
        require_room(self._path.parent, size)

    def publish(self, path: Path, *, overwrite: bool) -> None:
        """Move the file to here; from another file system it is copied beside first.

        Raises:
            OutputError: it cannot be put here, or something is here that must not be replaced.
        """
        with written(self._path):
            source = self._copied(path) if path.stat().st_dev != self._path.parent.stat().st_dev else path
            try:
                move(source, self._path, overwrite=overwrite)
            except FileExistsError as error:
                if source != path:
                    source.unlink()
                if self._holds(path):  # an earlier run was killed behind this
                    return
                raise OutputError(
                    f"{self._path}: exists: replace it with --overwrite, and nothing is scored again"
                ) from error
            sync_folder(self._path.parent)

    def remove(self) -> None:
        """Remove it.

        Raises:
            OutputError: it cannot be removed.
        """
        with written(self._path):
            self._path.unlink(missing_ok=True)

    def _holds(self, path: Path) -> bool:
        with written(self._path):
            if not self._path.is_file():
                return False
            with path.open("rb") as ours, self._path.open("rb") as theirs:
                return same(ours, theirs)

    def _copied(self, path: Path) -> Path:
        beside = self._path.with_name(f".{self._path.name}.new")
        try:
            with path.open("rb") as source, beside.open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
                target.flush()
                os.fsync(target.fileno())
        except BaseException:
            with suppress(OSError):  # a full disk is not to stay full of half a copy
                beside.unlink()
            raise
        return beside
