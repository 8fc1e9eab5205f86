"""Texts in, files out: each complete or as it was before, and for their owner alone, since rds.json holds the keys."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

FOLDER_MODE, FILE_MODE = 0o700, 0o600
# What routes name must be there first; listeners name routes.
ORDER = ("bootstrap.json", "cds.json", "rds.json", "lds.json")


def write(directory: Path, files: Mapping[str, str]) -> list[str]:
    """Write the files that differ from what is there, clusters before routes before listeners.

    Returns:
        The names of the files written.
    """
    directory.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    changed = [name for name in sorted(files, key=_position) if read(directory / name) != files[name]]
    for name in changed:
        replace(directory / name, files[name])
    return changed


def replace(path: Path, text: str, owner: tuple[int, int] | None = None) -> None:
    """Put a file in its place in one step, which Envoy's watch sees as one change.

    Args:
        path: Where it is to stand.
        text: What is to stand in it.
        owner: Whose it is from the first, by user and group number; this user's where it is None.
    """
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), FILE_MODE)
            if owner is not None:
                os.fchown(file.fileno(), *owner)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read(path: Path) -> str | None:
    """Give a file's text, or None where there is none."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def _position(name: str) -> int:
    return ORDER.index(name) if name in ORDER else len(ORDER)
