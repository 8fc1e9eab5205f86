"""The only reader of ``os.environ`` in this package."""

import os
import sys
import tempfile
from pathlib import Path

# What a child needs to find programs, its locale and its home; nothing else of the user's environment, which may
# hold secrets, reaches the server.
_PASSED_ON = ("HOME", "LANG", "LC_ALL", "TZ")
# Which GPU is to be used.
_OF_GPUS = ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER")


def child_environment(**more: str) -> dict[str, str]:
    """Build the environment of a server process: a few harmless variables and ``more``.

    The folder of this Python comes first on the PATH: a backend's stub ignores PYTHONPATH and finds its prefix, and so
    the packages of a virtual environment, by looking for ``python3`` there.
    """
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ} | {"PATH": path} | more


def gpu_environment(libraries: str) -> dict[str, str]:
    """Pass on which GPU is to be used, and where its driver lies: in containers, often by LD_LIBRARY_PATH alone.

    Args:
        libraries: The server's own value of LD_LIBRARY_PATH, which comes first.
    """
    found = {name: os.environ[name] for name in _OF_GPUS if name in os.environ}
    inherited = os.environ.get("LD_LIBRARY_PATH", "")
    return found | {"LD_LIBRARY_PATH": ":".join(filter(None, (libraries, inherited)))}


def runtime_directory() -> Path:
    """Name the folder of this user's running endpoints, which may not be there yet."""
    own = os.environ.get("XDG_RUNTIME_DIR", "")
    if own and Path(own).is_dir():
        return Path(own) / "tritext"
    return Path(tempfile.gettempdir()) / f"tritext-{os.getuid()}"


def deployment() -> str:
    """Name the deployment whose container this is."""
    return os.environ.get("TRITEXT_DEPLOYMENT", "") or "blue"
