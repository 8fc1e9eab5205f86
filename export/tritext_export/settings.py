"""The only reader of ``os.environ`` in this package."""

import os
from pathlib import Path


def cache_directory() -> Path | None:
    """Say where our caches belong: in ``$XDG_CACHE_HOME``, or else in ``~/.cache``; None for a user without a home."""
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if named.is_absolute():  # the specification has relative ones ignored
        return named / "tritext"
    try:
        return Path.home() / ".cache" / "tritext"
    except RuntimeError:
        return None
