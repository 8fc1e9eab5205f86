"""The model repository on disk: staged files in, a published version out. The old version serves until the new one can.

At every moment, killed or not, each ``config.pbtxt`` names only versions that lie complete beside it, and every version
that a front names is one that its classifier names too::

    1. front and classifier are written whole into a hidden staging folder and flushed to disk
    2. the classifier's version is renamed into place; its config then names the old and the new version
    3. the front's version is renamed into place; its config then names the new version
    4. the classifier's config names the new version alone
"""

import contextlib
import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tritext_export.errors import ExportError, RepositoryError
from tritext_export.sources import read_json
from tritext_export.triton import (
    LABELS_FILE,
    ModelFacts,
    classifier_config,
    classifier_name,
    from_text,
    front_config,
    same_contract,
    to_text,
)

CONFIG_FILE = "config.pbtxt"
_STAGING = ".staging-"
_LOCK = ".lock"


@dataclass(frozen=True, slots=True)
class Staging:
    """A version before it is published.

    Attributes:
        root: The hidden folder.
        version: The number it will have.
    """

    root: Path
    version: int

    def version_directory(self, model: str) -> Path:
        """Where a model's files of this version go; made on first use."""
        directory = self.root / model / str(self.version)
        directory.mkdir(parents=True, exist_ok=True)
        return directory


@contextlib.contextmanager
def stage(repository: Path, facts_name: str) -> Iterator[Staging]:
    """Lock the repository and make a staging folder, which is gone afterwards.

    Args:
        repository: The model repository; made if it is missing.
        facts_name: The front's name.

    Raises:
        RepositoryError: it cannot be written, is full, or another export is at work.
    """
    with _explained(repository):
        repository.mkdir(parents=True, exist_ok=True)
        lock = (repository / _LOCK).open("w")
    with lock:
        _lock(lock.fileno(), repository)
        with _explained(repository):
            for left_over in repository.glob(f"{_STAGING}*"):
                shutil.rmtree(left_over)
            root = Path(tempfile.mkdtemp(prefix=_STAGING, dir=repository))
            root.chmod(0o755)
            try:
                yield Staging(root, next_version(repository, facts_name))
            finally:
                shutil.rmtree(root, ignore_errors=True)


def publish(repository: Path, staging: Staging, facts: ModelFacts, labels: Sequence[str]) -> Path:
    """Put a staged version in service.

    Returns:
        The front's version folder.

    Raises:
        RepositoryError: the model that is published under this name has other inputs, outputs or labels.
    """
    new = staging.version
    old = published_version(repository, facts.name)
    _require_same_contract(repository, facts, labels)
    flush(staging.root)
    both = [new] if old is None else [old, new]
    _place(repository, staging, facts.classifier, to_text(classifier_config(facts, both)), labels)
    _place(repository, staging, facts.name, to_text(front_config(facts, [new])), labels)
    write_atomically(repository / facts.classifier / CONFIG_FILE, to_text(classifier_config(facts, [new])))
    return repository / facts.name / str(new)


def published_version(repository: Path, name: str) -> int | None:
    """Tell which version of a front its config names; None where there is no such model."""
    path = repository / name / CONFIG_FILE
    if not path.is_file():
        return None
    versions = from_text(path.read_text(encoding="utf-8")).version_policy.specific.versions
    return max(versions) if versions else None


def published_manifest(repository: Path, name: str) -> dict[str, object] | None:
    """Read the manifest of the version in service; None where there is none that can be read."""
    version = published_version(repository, name)
    if version is None:
        return None
    try:
        return read_json(repository / name / str(version) / "manifest.json")
    except ExportError:
        return None


def next_version(repository: Path, name: str) -> int:
    """Count on from the highest version that any folder of this model has, published or not."""
    folders = (repository / model for model in (name, classifier_name(name)))
    numbers = [int(p.name) for folder in folders if folder.is_dir() for p in folder.iterdir() if p.name.isdecimal()]
    return max(numbers, default=0) + 1


def write_atomically(path: Path, text: str) -> None:
    """Replace a file so that a reader sees the old one or the new one, whole, after a crash too."""
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    _sync_directory(path.parent)


def flush(root: Path) -> None:
    """Write every file and folder below ``root`` through to the disk."""
    for directory, _, names in os.walk(root):
        for name in names:
            with (Path(directory) / name).open("rb") as file:
                os.fsync(file.fileno())
        _sync_directory(Path(directory))


def _place(repository: Path, staging: Staging, model: str, config: str, labels: Sequence[str]) -> None:
    """Move one model's staged version into the repository, then let its config name it."""
    staged, target = staging.root / model, repository / model
    if target.is_dir():
        (staged / str(staging.version)).rename(target / str(staging.version))
        _sync_directory(target)
        write_atomically(target / CONFIG_FILE, config)
        return
    write_atomically(staged / LABELS_FILE, "".join(f"{label}\n" for label in labels))
    write_atomically(staged / CONFIG_FILE, config)
    staged.rename(target)
    _sync_directory(repository)


def _require_same_contract(repository: Path, facts: ModelFacts, labels: Sequence[str]) -> None:
    """Clients of a running endpoint must not find other tensors or label names under the same model."""
    for model, config in ((facts.name, front_config(facts, [1])), (facts.classifier, classifier_config(facts, [1]))):
        folder = repository / model
        if not (folder / CONFIG_FILE).is_file():
            continue
        published = from_text((folder / CONFIG_FILE).read_text(encoding="utf-8"))
        names = (folder / LABELS_FILE).read_text(encoding="utf-8").splitlines()
        if not same_contract(published, config) or names != list(labels):
            raise RepositoryError(
                f"{folder}: the published model has other labels, inputs or outputs, which its clients rely on: "
                "publish this one under another --name, or remove the old model first"
            )


def _lock(descriptor: int, repository: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise RepositoryError(f"{repository}: another export is writing to it: try again when it is done") from error


@contextlib.contextmanager
def _explained(repository: Path) -> Iterator[None]:
    """Say what an operating-system error means for the user."""
    try:
        yield
    except OSError as error:
        remedies = {
            errno.ENOSPC: "free some space",
            errno.EDQUOT: "free some of your quota",
            errno.EACCES: "give yourself the right to write there",
            errno.EROFS: "it is mounted read-only: choose another --repository",
            errno.ENOTDIR: "a file is in the way: choose another --repository",
            errno.EEXIST: "a file is in the way: choose another --repository",
        }
        remedy = remedies.get(error.errno or 0, "nothing was published")
        raise RepositoryError(f"{repository}: {error.strerror or error}: {remedy}") from error


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
