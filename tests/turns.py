"""Turns of tests in several workers: most run beside each other, one marked `alone` has the machine to itself.

Two files are locked: whoever wants a turn takes the door first and then the room, and lets go of the door once it is
in. So one who waits for an empty room is not overtaken by those who would only keep it full.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

HELP = "alone: looks at what another test beside it would spoil; several workers leave it the machine"


@contextmanager
def turn(item: pytest.Item) -> Iterator[None]:
    """Wait until a test may run, and let it run."""
    shared = item.config._tmp_path_factory.getbasetemp().parent  # type: ignore[attr-defined]
    with inside(shared, alone=item.get_closest_marker("alone") is not None):
        yield


@contextmanager
def inside(shared: Path, alone: bool) -> Iterator[None]:
    """Wait until the room is free enough, and be in it.

    Args:
        shared: A folder that all who want in have.
        alone: Whether nobody else may be in it.
    """
    with (shared / "door.lock").open("w") as door, (shared / "room.lock").open("w") as room:
        fcntl.flock(door, fcntl.LOCK_EX)
        fcntl.flock(room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(door, fcntl.LOCK_UN)
        yield
