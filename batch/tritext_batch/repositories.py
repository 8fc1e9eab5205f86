"""The model repository that a job serves itself: one on this machine as it lies, one in blob storage pulled first.

What was pulled lies in the job's work folder, so it is found again by who goes on, and is gone when the job is done.
"""

from pathlib import Path
from typing import Protocol

from tritext_batch.places import local_path
from tritext_batch.workspace import PULLED
from tritext_store.index import INDEX_NAME
from tritext_store.objects import Tell, open_objects
from tritext_store.pull import pull


class Bars(Protocol):
    """Who is shown how far a pull is."""

    def stage(self, what: str, total: int) -> Tell:
        """Begin a stage of so many bytes; give whom to tell of each few."""


def bring(uri: str, work: Path, bars: Bars) -> Path:
    """Give the folder to serve.

    Args:
        uri: A folder of this machine, or where a repository was pushed to.
        work: The job's own folder.
        bars: Shown how far a pull is.

    Raises:
        StoreError: it cannot be fetched; the message says why.
    """
    path = local_path(uri)
    if path is not None and not (path / INDEX_NAME).is_file():
        return path
    objects = open_objects(uri)
    try:
        pull(objects, work / PULLED, bars)
    finally:
        objects.close()
    return work / PULLED
