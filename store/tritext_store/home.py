"""Where a pulled repository lies on this disk: whole states beside each other, and a link to the one in force.

::

    REPO ──────────────────────────► .REPO.pulled/000007-3f2a…      a link: what is served
    .REPO.pulled/lock                held by whoever pulls
    .REPO.pulled/000006-91bc…        the state before; a running server may still read it
    .REPO.pulled/55d0….partial       being fetched; found again by the next pull

The link is renamed over the old one, so a reader has one state or the other. A server that resolved the link keeps its
state until it is started anew: the last one and those in use are not removed.
"""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from tritext_store.errors import LocalError, StoreError
from tritext_store.filesystem import explained_here
from tritext_store.index import INDEX_NAME, Index, decode, encode
from tritext_store.objects import write_whole

INDEX_FILE = f".{INDEX_NAME}"
SPARE_BYTES = 64 << 20


class Home:
    """The states of one repository on this disk."""

    def __init__(self, target: Path) -> None:
        """Look at nothing yet.

        Args:
            target: Where the repository is to be found.

        Raises:
            LocalError: no link can be made there.
        """
        self.target = target.absolute()
        if self.target.name in ("", ".."):
            raise LocalError(f"{target}: cannot become a link to what is pulled: name a folder in it")
        self.states = self.target.with_name(f".{self.target.name}.pulled")

    @property
    def current(self) -> Path | None:
        """The state that the link names, if it is one of these."""
        state = self._named()
        return state if state is not None and state.is_dir() else None

    def _named(self) -> Path | None:
        """What the link names below the states, be it there or not; None where it is another link, or none."""
        if not self.target.is_symlink():
            return None
        state = self.target.parent / self.target.readlink()
        return state if state.parent == self.states else None

    def index(self) -> Index | None:
        """Read which state is in force; None where there is none, or not all of it."""
        current = self.current
        return _whole(current) if current else None

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only one who pulls to here.

        Raises:
            LocalError: another pull is at work, or something that is no pulled repository is in the way.
        """
        with explained_here(self.states):
            if self.target.is_symlink() and self._named() is None:
                raise LocalError(
                    f"{self.target}: is a link to {self.target.readlink()}, which no pull has made: {_AWAY}"
                )
            if not self.target.is_symlink() and self.target.exists() and not _empty(self.target):
                raise LocalError(f"{self.target}: is there already, and no pull has made it: {_AWAY}")
            self.states.mkdir(parents=True, exist_ok=True)
            lock = (self.states / "lock").open("w")
        with lock:
            try:
                fcntl.flock(lock.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise LocalError(f"{self.target}: another pull is at work: let it finish, or stop it") from error
            yield

    def staging(self, index: Index) -> Path:
        """Make the folder where a state is put together; what is there already is from a pull that was stopped."""
        folder = self.states / f"{index.generation}.partial"
        with explained_here(folder):
            for other in self.states.glob("*.partial"):
                if other != folder:
                    shutil.rmtree(other)
            folder.mkdir(exist_ok=True)
        return folder

    def require_space(self, wanted: int) -> None:
        """Refuse what the disk cannot hold.

        Raises:
            LocalError: there is not so much space.
        """
        needed, free = wanted + SPARE_BYTES, shutil.disk_usage(self.states).free
        if needed > free:
            raise LocalError(
                f"{self.target}: needs {needed / 1e6:.0f} MB, {free / 1e6:.0f} MB are free: free some space"
            )

    def complete(self, index: Index) -> Path | None:
        """Find a state that was fetched whole, though perhaps never put in force."""
        for state in self._whole_states():
            if (found := _whole(state)) is not None and found.generation == index.generation:
                return state
        return None

    def finish(self, staging: Path, index: Index) -> Path:
        """Make a state of what was put together."""
        with explained_here(staging):
            for extra in _extra(staging, index):
                extra.unlink()
            write_whole(staging / INDEX_FILE, encode(index))
            for folder, _, _ in os.walk(staging):
                _flush(Path(folder))
            numbers = (int(state.name.partition("-")[0]) for state in self._whole_states())
            state = self.states / f"{max(numbers, default=0) + 1:06d}-{index.generation[:12]}"
            staging.rename(state)
            _flush(self.states)
        return state

    def switch(self, state: Path) -> None:
        """Put a state in force."""
        link = self.target.with_name(f".{self.target.name}.link")
        with explained_here(self.target):
            link.unlink(missing_ok=True)
            if self.target.is_symlink():
                link.symlink_to(state.relative_to(self.target.parent))
                link.replace(self.target)
            else:  # what somebody has put there meanwhile is not replaced
                if self.target.is_dir():
                    self.target.rmdir()  # it is empty: somebody made it for us
                self.target.symlink_to(state.relative_to(self.target.parent))
            _flush(self.target.parent)

    def tidy(self, former: Path | None) -> None:
        """Remove states that are neither in force nor the one before, and that no server on this machine holds."""
        for state in self._whole_states():
            if state not in (self.current, former) and not _in_use(state):
                shutil.rmtree(state, ignore_errors=True)

    def _whole_states(self) -> list[Path]:
        return sorted(p for p in self.states.glob("[0-9]*-*") if p.is_dir() and p.name.partition("-")[0].isdecimal())


def _whole(state: Path) -> Index | None:
    """Read a state's index, if every file it names is there with its size."""
    try:
        index = decode((state / INDEX_FILE).read_bytes(), state)
        whole = all((state / entry.path).stat().st_size == entry.bytes for entry in index.files)
    except (OSError, StoreError):
        return None
    return index if whole else None


def _extra(staging: Path, index: Index) -> list[Path]:
    wanted = {staging / entry.path for entry in index.files}
    return [path for path in staging.rglob("*") if path not in wanted and not (path.is_dir() and not path.is_symlink())]


def _in_use(state: Path) -> bool:
    """Whether a running server holds a version of this state: it keeps a shared lock on each that it serves."""
    return any(_held(folder) for folder in state.glob("*/[0-9]*") if folder.is_dir())


def _held(folder: Path) -> bool:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # held, or a file system without locks: then it stays
        return True
    finally:
        os.close(descriptor)
    return False


def _empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_AWAY = "choose another name, or move it away"
