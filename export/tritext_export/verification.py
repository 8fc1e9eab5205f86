"""Is every version the one that was certified? A repository in, findings out: none is what everybody hopes for.

Each version: its certificate passed; every file has the hash that its manifest gives, and there are no others; the ONNX
graph may be loaded, and ONNX Runtime does load it; an engine is the one of its record, which is of this graph and
not ``--unproved``. Each model: what its configurations name is there.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tritext_export.catalogue import CERTIFICATE_FILE, MANIFEST_FILE, facts_of, folders, fronts, strays
from tritext_export.errors import EngineError, ExportError, RepositoryError
from tritext_export.layout import CONFIG_FILE, CONFIGS
from tritext_export.repository import published_versions, require_same_contract, versions_on_disk
from tritext_export.sources import read_json, sha256
from tritext_export.tensorrt.record import find_entry
from tritext_export.triton import classifier_name, from_text
from tritext_export.triton_gpu import PLAN_FILE, PLAN_RECORD

# A manifest cannot hold its own hash; a plan is built from the certified graph later, on the machine that serves it,
# and has a record of its own.
UNLISTED = frozenset({MANIFEST_FILE, PLAN_FILE, PLAN_RECORD})
MODEL_FILE = "model.onnx"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be.

    Attributes:
        model: The front's name.
        version: The version, or None where it concerns the model as a whole.
        problem: What is wrong, and what to do.
    """

    model: str
    version: int | None
    problem: str

    def __str__(self) -> str:
        """Say it in one line."""
        return f"{self.model} {self.version}: {self.problem}" if self.version else f"{self.model}: {self.problem}"


def verify(repository: Path, names: Sequence[str] = ()) -> Iterator[tuple[str, int | None, tuple[Finding, ...]]]:
    """Check models and their versions, one after another.

    Args:
        repository: The model repository.
        names: Fronts; every one where there are none, and every folder that should be one.

    Yields:
        A model's name, a version (None for the model as a whole), and what was found there.

    Raises:
        RepositoryError: there is no such repository or model.
    """
    for name, problem in () if names else strays(repository):
        yield name, None, (Finding(name, None, problem),)
    for name in fronts(repository, names):
        yield name, None, tuple(Finding(name, None, p) for p in model_problems(repository, name))
        for version in versions_on_disk(repository, name):
            problems = (*version_problems(repository, name, version), *unproved_plan(repository, name, version))
            yield name, version, tuple(Finding(name, version, p) for p in problems)


def require_sound(repository: Path, name: str, version: int) -> Mapping[str, Any]:
    """Refuse a version that is not the one that was certified.

    Returns:
        Its manifest.

    Raises:
        RepositoryError: with the first problem.
    """
    if version not in versions_on_disk(repository, name):
        there = ", ".join(map(str, versions_on_disk(repository, name))) or "none"
        raise RepositoryError(f"{repository}: {name} has no version {version}; there are {there}")
    for problem in version_problems(repository, name, version):
        raise RepositoryError(f"{name} version {version} cannot be put in service: {problem}")
    return read_json(folders(repository, name, version)[0] / MANIFEST_FILE)


def version_problems(repository: Path, name: str, version: int) -> Iterator[str]:
    """Find what is wrong with one version."""
    front, classifier = folders(repository, name, version)
    try:
        manifest, certificate = (read_json(front / file) for file in (MANIFEST_FILE, CERTIFICATE_FILE))
    except ExportError as error:
        yield f"{error}: the version is not whole: remove it with `tritext repository prune`, or export again"
        return
    if (manifest.get("name"), manifest.get("version")) != (name, version):
        yield f"{MANIFEST_FILE} is that of {manifest.get('name')} {manifest.get('version')}: export the model again"
    if certificate.get("passed") is not True:
        yield f"its certificate did not pass: see {front / CERTIFICATE_FILE}"
    problems = tuple(_file_problems(repository, manifest, (front, classifier)))
    yield from problems
    if not problems:  # a file that is not the certified one is not opened
        yield from _graph_problems(classifier / MODEL_FILE, manifest)
        yield from _plan_problems(repository, classifier, manifest)


def unproved_plan(repository: Path, name: str, version: int) -> Iterator[str]:
    """Say whether the version's engine was built without comparing labels.

    That is somebody's choice, so it keeps no version from service: a server asks again before it loads the engine.
    """
    _, classifier = folders(repository, name, version)
    try:
        entry = _plan_entry(classifier)
    except ExportError:
        return  # which ``version_problems`` reports
    if entry and entry.get("passed") is not True:
        yield f"{PLAN_FILE} was built without comparing labels: build it again without --unproved, or remove it"


def model_problems(repository: Path, name: str) -> Iterator[str]:
    """Find what is wrong with a model's configurations."""
    classifier = classifier_name(name)
    try:
        default = from_text((repository / classifier / CONFIG_FILE).read_text(encoding="utf-8"))
        named = _config_names(repository / name) | _config_names(repository / classifier)
        served = {each: tuple(_named_versions(repository / m, each) for m in (name, classifier)) for each in named}
    except (OSError, UnicodeDecodeError, RepositoryError) as error:
        yield f"{classifier}/{CONFIG_FILE}: {error}: export the model again"
        return
    if default.name not in ("", classifier):
        yield f"{classifier}/{CONFIG_FILE} is that of {default.name!r}: export the model again"
    for each, (front, behind) in sorted(served.items()):
        if missing := sorted(set(front) - set(behind)):
            yield f"{each}: {name} names version {missing[0]} and {classifier} does not: {_remedy(name, missing[0])}"
    yield from _service_problems(repository, name)


def _service_problems(repository: Path, name: str) -> Iterator[str]:
    """Find out whether what is named is there, with the tensors and labels that the configurations promise."""
    versions = published_versions(repository, name)
    if not versions:
        yield f"{name}/{CONFIG_FILE} names no version: name one with `tritext repository promote {name} VERSION`"
    for version in versions:
        for folder in folders(repository, name, version):
            if not folder.is_dir():
                yield f"{folder}: is named and not there: promote another version"
                return
        try:
            manifest = read_json(folders(repository, name, version)[0] / MANIFEST_FILE)
            require_same_contract(repository, facts_of(manifest), manifest["labels"])
        except (ExportError, OSError, KeyError) as error:
            yield f"version {version} does not fit the model's configuration: {error}"


def _file_problems(repository: Path, manifest: Mapping[str, Any], own: Sequence[Path]) -> Iterator[str]:
    listed = manifest.get("files")
    if not isinstance(listed, dict) or not listed:
        yield f"{MANIFEST_FILE} lists no files: export the model again"
        return
    there = {str(p.relative_to(repository)): p for folder in own for p in sorted(folder.glob("*"))}
    for name, path in there.items():
        if path.is_symlink() or not path.is_file():
            yield f"{name}: is a link or a folder, not a file: put the file itself there"
        elif name not in listed and path.name not in UNLISTED:
            yield f"{name}: is not in {MANIFEST_FILE}: move it away"
    for name, digest in listed.items():
        if name not in there:
            yield f"{name}: is missing: export the model again"
        elif there[name].is_file() and (actual := sha256(there[name])) != digest:
            yield f"{name}: its sha256 is {actual[:12]}…, certified was {str(digest)[:12]}…: {_CHANGED}"


_CHANGED = "the file was changed or is damaged: export the model again"


def _graph_problems(path: Path, manifest: Mapping[str, Any]) -> Iterator[str]:
    from tritext_export.inspection import inspect
    from tritext_export.session import ExportedModel

    padding = manifest.get("pad_token_id", 0)
    if not isinstance(padding, int):
        yield f"{MANIFEST_FILE}: pad_token_id is {padding!r}, not a number: export the model again"
        return
    try:
        inspect(path)
        inputs = ExportedModel(path, padding).inputs
    except ExportError as error:
        yield str(error)
        return
    if list(inputs) != manifest.get("inputs"):
        yield f"{MODEL_FILE} reads {', '.join(inputs)}, {MANIFEST_FILE} says otherwise: export the model again"


def _plan_problems(repository: Path, classifier: Path, manifest: Mapping[str, Any]) -> Iterator[str]:
    """Hold an engine against its record, and the record against the certified graph."""
    name = (classifier / PLAN_FILE).relative_to(repository)
    try:
        entry = _plan_entry(classifier)
    except ExportError as error:
        yield f"{name}: {error}: {_REBUILD}"
        return
    graph = (classifier / MODEL_FILE).relative_to(repository)
    if entry and entry.get("graph_sha256") != manifest["files"].get(str(graph)):
        yield f"{name}: was built from another graph than {graph}: {_REBUILD}"


_REBUILD = "build it again with `tritext engine --builder tensorrt`, or remove it and its record"


def _plan_entry(classifier: Path) -> dict[str, Any]:
    """Read what is known of a version's engine; nothing where there is none."""
    plan, record = classifier / PLAN_FILE, classifier / PLAN_RECORD
    if not plan.exists():
        if record.exists():
            raise EngineError(f"is missing, and {PLAN_RECORD} speaks of it")
        return {}
    try:
        text = record.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise EngineError(f"has no record {PLAN_RECORD} that can be read ({error})") from error
    return find_entry(text, sha256(plan))


def _config_names(folder: Path) -> set[str]:
    return {CONFIG_FILE} | {f"{CONFIGS}/{p.name}" for p in (folder / CONFIGS).glob("*.pbtxt")}


def _named_versions(folder: Path, config: str) -> Sequence[int]:
    """Read the versions that a server of this configuration name loads: of the default where there is none."""
    path = folder / config if (folder / config).is_file() else folder / CONFIG_FILE
    return list(from_text(path.read_text(encoding="utf-8")).version_policy.specific.versions)


def _remedy(name: str, version: int) -> str:
    return f"`tritext repository promote {name} {version}` writes both"
