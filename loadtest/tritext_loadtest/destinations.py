"""Files that a command will write: refused before the work where they cannot be, and whole or not there after it."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from tritext_loadtest.errors import DestinationError, in_words


def require_writable(wanted: Mapping[str, Path | None]) -> None:
    """See that files can be written, before anything is measured; nothing is made or changed.

    Args:
        wanted: Files by the flag that names them; None is a file that is not wanted.

    Raises:
        DestinationError: one cannot be, as far as can be told now.
    """
    for flag, path in wanted.items():
        try:
            reason = _obstacle(path) if path is not None else ""
        except OSError as error:  # a folder on the way may not be searched
            reason = in_words(error)
        if reason:
            raise DestinationError(f"{flag} {path}: {reason}: choose another place; nothing was measured")


def write_whole(path: Path, text: str) -> None:
    """Write a text file beside its place and move it there, so that nobody reads half of it; folders are made.

    What is no ordinary file, such as ``/dev/stdout``, is written as it is. Halves of surrogate pairs become ``?``.

    Raises:
        OSError: it cannot be written; what was there stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    content = text.encode("utf-8", errors="replace")
    if path.exists() and not path.is_file():
        path.write_bytes(content)
        return
    target = path.resolve()  # a link goes on leading there
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            draft.chmod(stat.S_IMODE(target.stat().st_mode))
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def _obstacle(path: Path) -> str:
    """Say why a file could not be written; empty where nothing is known against it."""
    if path.is_dir():
        return "is a folder"
    if path.exists():
        return "" if os.access(path, os.W_OK) else "may not be written"
    folder = next(above for above in path.absolute().parents if above.exists())
    if not folder.is_dir():
        return f"{folder} is no folder"
    return "" if os.access(folder, os.W_OK | os.X_OK) else f"nothing may be made in {folder}"
