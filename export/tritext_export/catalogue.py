"""What a model repository holds: a folder in, its models' versions as plain rows out. Reads, never writes.

The front's folder is where a version's manifest and certificate lie, so a front is what is listed; its classifier's
files count as the version's own.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tritext_export.errors import ExportError, RepositoryError
from tritext_export.layout import CONFIG_FILE
from tritext_export.repository import published_versions, versions_on_disk
from tritext_export.sources import read_json
from tritext_export.triton import CLASSIFIER_SUFFIX, ModelFacts, classifier_name, from_text

FRONT_BACKEND = "tritext"
MANIFEST_FILE, CERTIFICATE_FILE = "manifest.json", "certificate.json"


@dataclass(frozen=True, slots=True)
class Version:
    """One version of one model; what cannot be read is None.

    Attributes:
        model: The front's name.
        version: Its number.
        in_service: Whether the front's config names it.
        passed: Whether its certificate did.
        precision: Of the weights.
        accuracy: Share of the certificate's texts with the true label.
        agreement: Share with the checkpoint's label.
        bytes: Size of all files, the classifier's too.
        created: UTC time, ISO 8601.
        source: What was exported.
    """

    model: str
    version: int
    in_service: bool
    passed: bool | None
    precision: str | None
    accuracy: float | None
    agreement: float | None
    bytes: int
    created: str | None
    source: str | None

    def to_json(self) -> dict[str, Any]:
        """Give the row as JSON's own types."""
        return asdict(self)


def list_versions(repository: Path, names: Sequence[str] = ()) -> tuple[Version, ...]:
    """List every version, oldest first.

    Args:
        repository: The model repository.
        names: Fronts; every one where there are none.

    Raises:
        RepositoryError: there is no such repository or model.
    """
    return tuple(
        _read_version(repository, name, number)
        for name in fronts(repository, names)
        for number in versions_on_disk(repository, name)
    )


def fronts(repository: Path, names: Sequence[str] = ()) -> tuple[str, ...]:
    """Find the models that take texts.

    Raises:
        RepositoryError: there is no such repository, or no such model in it.
    """
    if not repository.is_dir():
        raise RepositoryError(f"{repository}: no such directory: make one with `tritext export`")
    found = tuple(p.name for p in sorted(repository.iterdir()) if not p.name.startswith(".") and _is_front(p))
    for name in names:
        if name not in found:
            raise RepositoryError(f"{repository}: no model {name!r}; there are {', '.join(found) or 'none'}")
    return tuple(names) or found


def strays(repository: Path) -> Iterator[tuple[str, str]]:
    """Find folders that ``fronts`` passes over though they were meant to be served: a name and what is wrong with it.

    A damaged front looks like no front at all, so without this nobody would hear of it.
    """
    found = fronts(repository)
    for folder in sorted(p for p in repository.iterdir() if p.is_dir() and not p.name.startswith(".")):
        front = folder.name.removesuffix(CLASSIFIER_SUFFIX)
        if folder.name in found or (front != folder.name and front in found):
            continue  # whoever checks the front checks both
        if problem := _config_problem(folder):
            yield folder.name, f"{folder.name}/{CONFIG_FILE}: {problem}: export the model again, or move it away"
        if front != folder.name:
            yield folder.name, f"there is no model {front!r} that takes texts for it: export {front!r} again"


def facts_of(manifest: Mapping[str, Any]) -> ModelFacts:
    """Tell what a version's configurations must say.

    Raises:
        RepositoryError: the manifest does not tell.
    """
    try:
        return ModelFacts(
            name=manifest["name"],
            inputs=tuple(manifest["inputs"]),
            label_count=len(manifest["labels"]),
            label_output=manifest["options"]["label_output"],
            max_batch_size=manifest["options"]["max_batch_size"],
            pairs=manifest.get("pairs", False),
            max_length=manifest["max_length"],
        )
    except (KeyError, TypeError) as error:
        raise RepositoryError(f"{MANIFEST_FILE}: {error} is missing: export the model again") from error


def folders(repository: Path, name: str, version: int) -> tuple[Path, Path]:
    """Give the two folders of one version: the front's and the classifier's."""
    return repository / name / str(version), repository / classifier_name(name) / str(version)


def _is_front(folder: Path) -> bool:
    try:
        return bool(from_text((folder / CONFIG_FILE).read_text(encoding="utf-8")).backend == FRONT_BACKEND)
    except (OSError, UnicodeDecodeError, RepositoryError):
        return False


def _config_problem(folder: Path) -> str:
    try:
        config = from_text((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, RepositoryError) as error:
        return getattr(error, "strerror", None) or str(error)
    return "" if config.backend or config.platform else "names no backend"


def _read_version(repository: Path, name: str, number: int) -> Version:
    own = folders(repository, name, number)
    manifest, certificate = (_read_or_nothing(own[0] / file) for file in (MANIFEST_FILE, CERTIFICATE_FILE))
    files = [p for folder in own for p in folder.glob("*") if p.is_file()]
    return Version(
        model=name,
        version=number,
        in_service=number in published_versions(repository, name),
        passed=certificate.get("passed"),
        precision=manifest.get("precision"),
        accuracy=certificate.get("export_accuracy"),
        agreement=certificate.get("agreement"),
        bytes=sum(p.stat().st_size for p in files),
        created=manifest.get("created"),
        source=manifest.get("source"),
    )


def _read_or_nothing(path: Path) -> dict[str, Any]:
    try:
        return read_json(path)
    except ExportError:
        return {}
