"""What took minutes to compute, kept between runs: arrays by name in, the same arrays out, or nothing.

Entries lie in the user's cache directory, one folder a search, named after everything that its results depend on.
An entry is whole or not there, and one that cannot be read is computed again: no error of the disk ends an export.
"""

import contextlib
import hashlib
import importlib.metadata
import os
import platform
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

import numpy as np

from tritext_export.edits.values import Array

FOLDER = "int8"
# All searches together; the one used longest ago goes first.
LIMIT_BYTES = 2 << 30
_TOOLS = ("tritext", "numpy", "onnx-ir", "onnxruntime", "onnxruntime-gpu")
# What the results depend on beside the quantiser's own code.
_CODE = (".", "../edits")


class Shelf:
    """The entries of one search."""

    def __init__(self, root: Path | None, key: str) -> None:
        """Remember where they lie.

        Args:
            root: The cache directory; None keeps nothing.
            key: What ``digest`` gave.
        """
        self._root = None if root is None else root / FOLDER
        self._folder = None if self._root is None else self._root / key

    def load(self, name: str) -> dict[str, Array] | None:
        """Read an entry; None where there is none that is whole."""
        if self._folder is None:
            return None
        path = self._folder / f"{name}.npz"
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as entry:
                arrays = {key: entry[key] for key in entry.files}
        except Exception:  # the disk's, zip's, zlib's and numpy's errors share no base class
            return None
        with contextlib.suppress(OSError):
            os.utime(self._folder)  # used: not the first to go
        return arrays

    def save(self, name: str, arrays: Mapping[str, Array]) -> None:
        """Keep an entry, if the disk and the limit allow it."""
        size = sum(array.nbytes for array in arrays.values())
        if self._folder is None or self._root is None:
            return
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if _size(self._folder) + size > LIMIT_BYTES:
                return
            _make_room(self._root, self._folder, LIMIT_BYTES - size)
            _write(self._folder / f"{name}.npz", arrays)

    def drop(self, name: str) -> None:
        """Forget an entry that is of no more use."""
        if self._folder is not None:
            with contextlib.suppress(OSError):
                (self._folder / f"{name}.npz").unlink(missing_ok=True)


def digest(parts: Iterable[bytes]) -> str:
    """Name a search after what it is made from, this machine's processor, the tools and this code."""
    total = hashlib.sha256()
    for part in (*parts, *_surroundings()):
        total.update(hashlib.sha256(part).digest())
    return total.hexdigest()


@cache
def _surroundings() -> tuple[bytes, ...]:
    versions = [f"{tool} {_version(tool)}".encode() for tool in _TOOLS]
    here = Path(__file__).parent
    code = [path.read_bytes() for folder in _CODE for path in sorted((here / folder).glob("*.py"))]
    return (*versions, _processor().encode(), *code)


def _version(tool: str) -> str:
    try:
        return importlib.metadata.version(tool)
    except importlib.metadata.PackageNotFoundError:  # ONNX Runtime goes by several names
        return "none"


def _processor() -> str:
    """Name what decides how int8 is multiplied: a home directory may be shared by unlike machines."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith(("flags", "Features")):
                return line
    return f"{platform.machine()} {platform.processor()}"


def _write(path: Path, arrays: Mapping[str, Array]) -> None:
    """Put a file in its place whole; a killed process leaves at most one without a name that counts."""
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".partial", delete=False) as file:
        partial = Path(file.name)
        try:
            np.savez(file, **arrays)
        except OSError:
            partial.unlink(missing_ok=True)
            raise
    partial.replace(path)


def _make_room(root: Path, own: Path, limit: int) -> None:
    """Drop the searches used longest ago until the others and this one fit."""
    others = sorted(_dated(p for p in root.iterdir() if p.is_dir() and p != own))
    total = _size(own) + sum(_size(folder) for _, folder in others)
    for _, folder in others:
        if total <= limit:
            return
        total -= _size(folder)
        shutil.rmtree(folder, ignore_errors=True)


def _dated(folders: Iterable[Path]) -> Iterator[tuple[float, Path]]:
    for folder in folders:
        with contextlib.suppress(OSError):  # another export may have dropped it
            yield folder.stat().st_mtime, folder


def _size(folder: Path) -> int:
    total = 0
    for path in folder.glob("*"):
        with contextlib.suppress(OSError):
            total += path.stat().st_size
    return total
