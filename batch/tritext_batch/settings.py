"""What a job finds in its surroundings: the API key, from a file or the environment. Only this file reads it."""

import os
import secrets
from pathlib import Path

from tritext_batch.errors import ModelError

URL, KEY = "TRITEXT_URL", "TRITEXT_API_KEY"


def endpoint_url() -> str:
    """Give the server's URL as the environment names it; empty where it does not."""
    return os.environ.get(URL, "")


def read_key(path: Path | None) -> str | None:
    """Read the API key from a file, else from ``TRITEXT_API_KEY``; None where there is none.

    Raises:
        ModelError: the file cannot be read, or is empty.
    """
    if path is None:
        return os.environ.get(KEY) or None
    try:
        key = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: cannot be read ({error}): name the file of the API key") from error
    if not key:
        raise ModelError(f"{path}: empty: put the API key into it")
    return key


def child_environment() -> dict[str, str]:
    """Give what a server that the job starts may know: everything but the key of another one."""
    return {name: value for name, value in os.environ.items() if name not in (KEY, URL)}


def prepare_ray(*, own: bool) -> None:
    """Let Ray neither report its use nor draw bars, unless somebody has said otherwise; call it before ray is imported.

    Args:
        own: Whether the job starts a cluster for itself, which then takes nobody without a token that only the job
            has: Ray's processes listen on all addresses.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_DATA_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    if own:
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
