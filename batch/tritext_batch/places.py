"""Where inputs lie and outputs go: a file of this machine or a blob. Opens, identifies, publishes; reads no rows."""

import os
import shutil
from pathlib import Path
from typing import BinaryIO, Protocol

from tritext_batch.errors import InputError, OutputError
from tritext_batch.stamps import Stamp, same
from tritext_batch.workspace import sync_folder, written
from tritext_store.location import parse_location


class Place(Protocol):
    """A file or a blob."""

    def stamp(self) -> Stamp:
        """Identify what is there now; InputError where nothing is."""

    def open(self) -> BinaryIO:
        """Open it for reading, seekable."""

    def exists(self) -> bool:
        """Whether something is there."""

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


def place(uri: str) -> Place:
    """Find the place that a path or a URI names; nothing is asked of it yet."""
    if (path := local_path(uri)) is not None:
        return LocalPlace(path)
    from tritext_batch.blobs import BlobPlace

    return BlobPlace(uri)


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
        if not self._path.is_file():
            raise InputError(f"{self._path}: no regular file: a job reads its input twice if it must go on later")
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

    def publish(self, path: Path, *, overwrite: bool) -> None:
        """Rename the file to here; from another file system it is copied beside first.

        Raises:
            OutputError: it cannot be put here, or something is here that must not be replaced.
        """
        if self.exists() and not overwrite:
            if self._holds(path):  # an earlier run was killed behind this
                return
            raise OutputError(f"{self._path}: exists: replace it with --overwrite, and nothing is scored again")
        with written(self._path):
            if path.stat().st_dev != self._path.parent.stat().st_dev:
                path = self._copied(path)
            path.replace(self._path)
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
        with path.open("rb") as source, beside.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
            target.flush()
            os.fsync(target.fileno())
        return beside
