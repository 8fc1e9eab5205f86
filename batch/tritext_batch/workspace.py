"""What a job has on disk until it is done: a folder with the scored rows, the rejected ones, and the journal.

    OUTPUT.partial/rows        appended to; what the journal does not count is cut off when the job goes on
    OUTPUT.partial/rejected    the same
    OUTPUT.partial/journal     replaced as a whole, after the bytes it counts are on disk
    OUTPUT.partial/lock        held by the process that works on the job

A process may be killed anywhere. The journal is never ahead of the files, so who goes on from it loses and doubles
nothing; nor does it after a loss of power, which may bring an older journal back.
"""

import dataclasses
import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from tritext_batch.errors import OutputError, ResumeError
from tritext_batch.journal import Identity, Progress, read_journal, write_journal
from tritext_batch.rows import Scored
from tritext_store.objects import write_whole

# So much work at most is done again after a kill.
COMMIT_SECONDS = 0.5
# Where a repository lies that the job has pulled.
PULLED = "repository"
# All that a job puts into its folder. In this order it goes: killed meanwhile, the folder is still known as a job's.
_OWN = (
    "rows",
    "whole",
    "rejected",
    PULLED,
    f".{PULLED}.pulled",
    f".{PULLED}.link",
    ".journal.partial",
    "journal",
    "lock",
)


class Workspace:
    """One job's folder, held alone.

    Attributes:
        progress: How far the job is, what is not yet in the journal included.
    """

    def __init__(self, folder: Path, identity: Identity, header: bytes, *, overwrite: bool = False) -> None:
        """Take the folder; go on with what is in it, or begin.

        Args:
            folder: Made where it is not there yet.
            identity: The job.
            header: What the rows' file begins with.
            overwrite: Whether to throw away what another job has left in it.

        Raises:
            ResumeError: what is in it belongs to another job, is damaged, or another process works on it.
            OutputError: the folder cannot be made or written.
        """
        self.folder, self._identity, self._committed = folder, identity, 0.0
        self._lock, self._files = _take(folder), list[BinaryIO]()
        try:
            found = self._found(overwrite=overwrite)
            self.progress = found or Progress(output=len(header))
            if not self.progress.complete:
                self._open_files(0 if found is None else self.progress.output)
            if found is None:
                with written(folder):
                    self._files[0].write(header)
                self.commit()
        except BaseException:
            self.close()
            raise

    @property
    def rows_path(self) -> Path:
        """The scored rows."""
        return self.folder / "rows"

    @property
    def rejected_path(self) -> Path:
        """The rejected rows."""
        return self.folder / "rejected"

    def append(self, scored: Scored, manifests: Mapping[str, str] | None = None) -> None:
        """Add a block; it is in the journal half a second later at most, if blocks go on coming.

        Args:
            scored: The block's share.
            manifests: Of the model's versions that answered it, where they are known.
        """
        rows, rejected = self._files
        with written(self.folder):
            rows.write(scored.output)
            rejected.write(scored.rejected)
        self.progress = self.progress.after(scored, manifests)
        if time.monotonic() - self._committed >= COMMIT_SECONDS:
            self.commit()

    def commit(self, *, complete: bool = False) -> None:
        """Put what was appended on disk, and then the journal that counts it."""
        if complete:
            self.progress = dataclasses.replace(self.progress, complete=True)
        with written(self.folder):
            for file in self._files:
                _flush(file)
            write_whole(self.folder / "journal", write_journal(self._identity, self.progress).encode())
        self._committed = time.monotonic()

    def convert(self, write: Callable[[BinaryIO, BinaryIO], None]) -> Path:
        """Make a file of another kind of the rows, and put it on disk.

        Args:
            write: Given the rows to read and the file to write.
        """
        whole = self.folder / "whole"
        with written(self.folder), self.rows_path.open("rb") as rows, whole.open("wb") as file:
            write(rows, file)
            _flush(file)
        return whole

    def close(self) -> None:
        """Let go of the folder; what was not committed is done again by the next process."""
        for file in (*self._files, self._lock):
            with suppress(OSError):  # a full disk: what it could not take is not counted
                file.close()

    def discard(self) -> None:
        """Remove what the job has put there, when it is elsewhere; and the folder, if nothing else is in it."""
        for path in (self.folder / name for name in _OWN):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with suppress(OSError):
                    path.unlink()
        with suppress(OSError):
            self.folder.rmdir()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _found(self, *, overwrite: bool) -> Progress | None:
        path = self.folder / "journal"
        if not path.is_file():
            return None
        try:
            identity, progress = read_journal(path.read_text(encoding="utf-8", errors="replace"), str(path))
        except ResumeError:
            if overwrite:
                return None
            raise
        if differences := identity.differences(self._identity):
            if overwrite or not progress.number:  # of a job that came to no row nothing is lost
                return None
            raise ResumeError(
                f"{self.folder} holds an unfinished job, which is not this one: {'; '.join(differences)}: "
                "give that job's arguments to go on with it, or --overwrite to throw it away"
            )
        return progress

    def _open_files(self, rows: int) -> None:
        with written(self.folder):
            self._files.append(_open(self.rows_path, rows))
            self._files.append(_open(self.rejected_path, self.progress.rejected))


def _open(path: Path, size: int) -> BinaryIO:
    """Open a file for appending behind its first ``size`` bytes."""
    file = path.open("ab")
    there = file.tell()
    if there < size:
        file.close()
        raise ResumeError(f"{path}: has {there} bytes, the journal counts {size}: begin anew with --overwrite")
    if there > size:
        os.truncate(path, size)
    return file


@contextmanager
def written(path: Path, remedy: str = "mend that, and the same command goes on") -> Iterator[None]:
    """Say what the disk refuses, such as more than it can hold.

    Raises:
        OutputError: naming the path and the remedy.
    """
    try:
        yield
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror or error}: {remedy}") from error


def sync_folder(folder: Path) -> None:
    """Make renames in a folder survive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _flush(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _take(folder: Path) -> BinaryIO:
    with written(folder, "choose another place with --work"):
        folder.mkdir(parents=True, exist_ok=True)
        there = {path.name for path in folder.iterdir()}
        if there and "lock" not in there:
            raise OutputError(f"{folder}: holds {min(there)!r}, which no job has put there: name another with --work")
        lock = (folder / "lock").open("wb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise ResumeError(f"{folder}: another process works on this job: wait for it") from error
    return lock
