"""The only reader of ``os.environ`` in this package."""

import os
import sys
from pathlib import Path

# What a child needs to find programs, its locale and its home; nothing else of the user's environment, which may
# hold secrets, reaches the server.
_PASSED_ON = ("HOME", "LANG", "LC_ALL", "TZ")


def child_environment(**more: str) -> dict[str, str]:
    """Build the environment of a server process: a few harmless variables and ``more``.

    The folder of this Python comes first on the PATH: a backend's stub ignores PYTHONPATH and finds its prefix, and so
    the packages of a virtual environment, by looking for ``python3`` there.
    """
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ} | {"PATH": path} | more
