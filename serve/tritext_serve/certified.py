"""Are the files that will be served the ones that were certified? Checked models in, reasons to refuse them out.

A front's manifest gives the sha256 of every file of a version, the classifier's too; its certificate says whether the
export kept the labels. Both are read here before anything is staged, and the labels' names are held against the
manifest's. No ONNX is opened: a hash that agrees means the file that `tritext export` inspected, and the version
folders hold nothing else (``repository``). A TensorRT engine is younger than the manifest and has a record of its own,
which names the graph that it was built from; it is read where the engine is what will be loaded.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tritext_serve.errors import RepositoryError
from tritext_serve.repository import PLAN_FILE, PLAN_RECORD, VERSION_FILES, Model

MANIFEST_FILE, CERTIFICATE_FILE = "manifest.json", "certificate.json"
LABELS_FILE = "labels.txt"
MODEL_FILE = "model.onnx"
# A manifest cannot hold its own hash; a plan is built later, on the GPU that runs it, and its record with it.
UNLISTED = frozenset({MANIFEST_FILE, PLAN_FILE, PLAN_RECORD})


def doubts(repository: Path, models: Sequence[Model]) -> tuple[str, ...]:
    """Say why a repository is not as certified, in a line each; nothing where it is.

    Args:
        repository: The folder.
        models: What ``scan`` made of it.
    """
    return tuple(_doubts(repository, models))


def _doubts(repository: Path, models: Sequence[Model]) -> Iterator[str]:
    by_name = {model.name: model for model in models}
    vouched: set[Path] = set()
    for front in (model for model in models if model.is_front):
        behind = by_name.get(front.classifier)
        for version in front.served_versions:
            own = [version, *([behind.directory / version.name] if behind else [])]
            vouched.update(own)
            problems = [*_problems(repository, own)]
            if behind and behind.reads_plan:
                problems += _plan_problems(own[0], own[1])
            yield from (f"{front.name} version {version.name}: {problem}" for problem in problems)
    for model in models:
        for version in model.served_versions:
            if version not in vouched:
                yield f"{model.name} version {version.name}: no model that takes texts vouches for it"


def _problems(repository: Path, own: Sequence[Path]) -> Iterator[str]:
    """Check one version's folders, the front's first."""
    try:
        manifest, certificate = (_read(own[0] / name) for name in (MANIFEST_FILE, CERTIFICATE_FILE))
    except RepositoryError as error:
        yield str(error)
        return
    if (manifest.get("name"), manifest.get("version")) != (own[0].parent.name, int(own[0].name)):
        yield f"its {MANIFEST_FILE} is that of {manifest.get('name')} version {manifest.get('version')}"
    if certificate.get("passed") is not True:
        yield "its certificate did not pass: the labels are not proved unchanged"
    for folder in (version.parent for version in own):
        if _labels(folder / LABELS_FILE) != manifest.get("labels"):
            yield f"{folder.name}/{LABELS_FILE} does not hold the labels of its {MANIFEST_FILE}, in their order"
    listed = manifest.get("files")
    yield from _file_problems(repository, own, listed if isinstance(listed, dict) else {})


def _file_problems(repository: Path, own: Sequence[Path], listed: Mapping[str, Any]) -> Iterator[str]:
    """Compare names and hashes, both ways."""
    there = {
        str(path.relative_to(repository)): path
        for folder in own
        for path in sorted(folder.glob("*"))
        if path.name in VERSION_FILES
    }
    for name, path in there.items():
        if name not in listed and path.name not in UNLISTED:
            yield f"{name} is not in its {MANIFEST_FILE}"
    for name, digest in sorted(listed.items()):
        if name not in there:
            yield f"{name} is missing"
        elif _sha256(there[name]) != digest:
            yield f"{name} is not the file that was certified: its sha256 is another"


def _plan_problems(front: Path, classifier: Path) -> Iterator[str]:
    """Hold an engine against its record, and the record against the version's certified graph."""
    plan = classifier / PLAN_FILE
    name = f"{classifier.parent.name}/{classifier.name}/{PLAN_FILE}"
    if not plan.is_file():
        yield f"{name} is missing: build it with `tritext engine --builder tensorrt`"
        return
    try:
        engines = _read(classifier / PLAN_RECORD).get("engines")
        listed = _read(front / MANIFEST_FILE).get("files")
    except RepositoryError as error:
        yield f"{name} has no record that can be read: {error}"
        return
    digest = _sha256(plan)
    record = engines.get(digest) if isinstance(engines, dict) else None
    if not isinstance(record, dict):
        yield f"{name} is not the engine of its {PLAN_RECORD}: its sha256 is {digest[:12]}…"
        return
    graph = f"{classifier.parent.name}/{classifier.name}/{MODEL_FILE}"
    if not isinstance(listed, dict) or graph not in listed or record.get("graph_sha256") != listed[graph]:
        yield f"{name} was built from another graph than the certified {MODEL_FILE}"
    if record.get("passed") is not True:
        yield f"{name} was built without comparing labels (--unproved)"


def _labels(path: Path) -> list[str] | None:
    """Read the names that clients are given; None where there are none to read."""
    try:
        return path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except (OSError, UnicodeDecodeError):
        return None


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RepositoryError(f"{path.name}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise RepositoryError(f"{path.name}: not valid JSON: {error}") from error
    if not isinstance(content, dict):
        raise RepositoryError(f"{path.name}: holds a {type(content).__name__}, not an object")
    return content


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
