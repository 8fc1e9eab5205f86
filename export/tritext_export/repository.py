"""The model repository on disk: staged files in, a published version out. The old version serves until the new one can.

At every moment, killed or not, each ``config.pbtxt`` names only versions that lie complete beside it, and every version
that a front names is one that its classifier names too::

    1. front and classifier are written whole into a hidden staging folder and flushed to disk
    2. the classifier's version is renamed into place; its configs then name the old and the new version
    3. the front's version is renamed into place; its configs then name the new version
    4. the classifier's configs name the new version alone

The same holds for each name under ``configs/``, where a model without a configuration of that name has its
``config.pbtxt``. Going back to a version that is there already (``rotation``) is steps 2 to 4 without the renames.
"""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tritext_export.disk import explained, flush, locked, sync_directory, write_atomically
from tritext_export.errors import ExportError, RepositoryError
from tritext_export.layout import (
    CONFIG_FILE,
    CONFIGS,
    ModelFiles,
    classifier_files,
    front_files,
    with_versions,
)
from tritext_export.sources import read_json
from tritext_export.triton import (
    LABELS_FILE,
    ModelFacts,
    classifier_config,
    classifier_name,
    from_text,
    front_config,
    same_contract,
)
from tritext_export.triton_gpu import PLAN_FILE

__all__ = ["CONFIG_FILE", "Staging", "flush", "publish", "stage", "switch", "write_atomically"]

STAGING = ".staging-"


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
    with explained(repository):
        repository.mkdir(parents=True, exist_ok=True)
    with locked(repository), hidden_folder(repository) as root:
        yield Staging(root, next_version(repository, facts_name))


@contextlib.contextmanager
def hidden_folder(repository: Path) -> Iterator[Path]:
    """Make a folder that no server looks into, and remove it afterwards, with those that the dead have left."""
    for left_over in repository.glob(f"{STAGING}*"):
        shutil.rmtree(left_over)
    root = Path(tempfile.mkdtemp(prefix=STAGING, dir=repository))
    root.chmod(0o755)
    try:
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)


def publish(repository: Path, staging: Staging, facts: ModelFacts, labels: Sequence[str]) -> Path:
    """Put a staged version in service.

    Returns:
        The front's version folder.

    Raises:
        RepositoryError: the model that is published under this name has other inputs, outputs or labels.
    """
    require_same_contract(repository, facts, labels)
    flush(staging.root)
    switch(repository, facts, staging.version, _Arrival(repository, staging, labels))
    return repository / facts.name / str(staging.version)


@dataclass(frozen=True, slots=True)
class _Arrival:
    """The new version's files on their way out of the staging folder."""

    repository: Path
    staging: Staging
    labels: Sequence[str]

    def place(self, model: str, files: ModelFiles) -> None:
        """Move one model's version into the repository; a model that is new comes with its files, whole."""
        staged, target = self.staging.root / model, self.repository / model
        if target.is_dir():
            (staged / str(self.staging.version)).rename(target / str(self.staging.version))
            sync_directory(target)
            return
        write_atomically(staged / LABELS_FILE, "".join(f"{label}\n" for label in self.labels))
        configure(staged, files)
        flush(staged)
        staged.rename(target)
        sync_directory(self.repository)


def switch(repository: Path, facts: ModelFacts, version: int, arrival: _Arrival | None = None) -> None:
    """Let front and classifier name one version, in the order that keeps both loadable.

    Args:
        repository: The model repository, which the caller has locked.
        facts: The model as that version has it.
        version: What is to be served.
        arrival: Where its files come from, if they are not there yet.
    """
    old = [v for v in published_versions(repository, facts.name) if v != version]
    root = arrival.staging.root if arrival else repository
    planned = (root / facts.classifier / str(version) / PLAN_FILE).is_file()
    # While both are named, what runs at start-up must be something that both can run.
    cautious = replace(
        facts, max_length=min([facts.max_length, *(_max_length(repository, facts.name, v) for v in old)])
    )
    steps = (
        (facts.classifier, classifier_files(cautious, [*old, version], planned=planned and not old)),
        (facts.name, front_files(facts, [version], planned=planned)),
    )
    for model, files in steps:
        if arrival:
            arrival.place(model, files)
        configure(repository / model, files)
    configure(repository / facts.classifier, classifier_files(facts, [version], planned=planned))


def configure(folder: Path, files: ModelFiles) -> None:
    """Write a model's configurations, each whole; those that the user added get the versions alone."""
    for path in (folder / name for name in (*files.data, *files.configs)):
        path.parent.mkdir(exist_ok=True)
    for name, content in files.data.items():
        _write_if_new(folder / name, content)
    for name, config in files.configs.items():
        _write_if_new(folder / name, config.encode())
    for name in files.obsolete:
        (folder / name).unlink(missing_ok=True)
    versions = from_text(files.configs[CONFIG_FILE]).version_policy.specific.versions
    for path in sorted((folder / CONFIGS).glob("*.pbtxt")):
        if f"{CONFIGS}/{path.name}" not in files.configs and (text := with_versions(_read(path), versions)):
            _write_if_new(path, text.encode())


def published_versions(repository: Path, name: str) -> list[int]:
    """Tell which versions of a model its config names; none where there is no such model."""
    path = repository / name / CONFIG_FILE
    if not path.is_file():
        return []
    return sorted(from_text(_read(path)).version_policy.specific.versions)


def published_version(repository: Path, name: str) -> int | None:
    """Tell which version of a front its config names, the newest of several; None where there is no such model."""
    return max(published_versions(repository, name), default=None)


def published_manifest(repository: Path, name: str) -> dict[str, object] | None:
    """Read the manifest of the version in service; None where there is none that can be read."""
    version = published_version(repository, name)
    if version is None:
        return None
    try:
        return read_json(repository / name / str(version) / "manifest.json")
    except ExportError:
        return None


def versions_on_disk(repository: Path, name: str) -> list[int]:
    """List the numbers that any folder of a front or its classifier has, published or not."""
    folders = (repository / model for model in (name, classifier_name(name)))
    numbers = {int(p.name) for folder in folders if folder.is_dir() for p in folder.iterdir() if p.name.isdecimal()}
    return sorted(numbers)


def next_version(repository: Path, name: str) -> int:
    """Count on from the highest version that there is."""
    return max(versions_on_disk(repository, name), default=0) + 1


def require_same_contract(repository: Path, facts: ModelFacts, labels: Sequence[str]) -> None:
    """Clients of a running endpoint must not find other tensors or label names under the same model."""
    for model, config in ((facts.name, front_config(facts, [1])), (facts.classifier, classifier_config(facts, [1]))):
        folder = repository / model
        if not (folder / CONFIG_FILE).is_file():
            continue
        published = from_text(_read(folder / CONFIG_FILE))
        names = _read(folder / LABELS_FILE).splitlines()
        if not same_contract(published, config) or names != list(labels):
            raise RepositoryError(
                f"{folder}: the published model has other labels, inputs or outputs, which its clients rely on: "
                "publish this one under another --name, or remove the old model first"
            )


def _max_length(repository: Path, name: str, version: int) -> int:
    """Read the longest input of a version; of one that does not tell, the least that any model takes."""
    try:
        return int(read_json(repository / name / str(version) / "manifest.json")["max_length"])
    except (ExportError, KeyError, TypeError, ValueError):
        return 2


def _write_if_new(path: Path, content: bytes) -> None:
    if not path.is_file() or path.read_bytes() != content:
        write_atomically(path, content)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")
