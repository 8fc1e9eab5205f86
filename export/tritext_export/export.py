"""The export from end to end: a request in, a published and certified version out, or a refusal and nothing changed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tritext_export import certificate as certificates
from tritext_export.candidates import candidates_for
from tritext_export.certificate import Certificate, limits_for
from tritext_export.draft import Draft
from tritext_export.errors import CertificateError, SourceError, TextsError
from tritext_export.expectations import EXPECTATIONS_FILE
from tritext_export.labelled import Example, Split, label_sets, read_examples, require_two_labels, select, split_of
from tritext_export.manifest import tool_versions
from tritext_export.report import copy_evidence
from tritext_export.repository import published_manifest, published_version, stage
from tritext_export.request import ExportRequest, Progress, Published, check
from tritext_export.sources import Source, read_json, resolve, sha256

# The split that int8 calibrates on, by the one that the certificate uses; of all texts, one split is set aside for it.
CALIBRATION: Mapping[Split, Split] = {"test": "dev", "dev": "train", "train": "dev", "all": "dev"}


def export_model(request: ExportRequest, progress: Progress) -> Published:
    """Export, compare, publish.

    Raises:
        ExportError: anything that keeps the version from being published; the repository is as it was.
    """
    check(request)
    source = resolve(request.source)
    several = _gives_several(source)
    examples, calibration = _read_texts(request, several=several)
    if not request.force and (standing := _standing(request, source)):
        return standing
    from tritext_export import checkpoint as checkpoints

    progress.step(f"loading {request.source}")
    loaded = checkpoints.load(source)
    labels = choose_labels(loaded.model.config.id2label, request.labels)
    activation = certificates.activation_of(loaded.model.config.problem_type, len(labels))
    if activation != "none":
        label_sets(examples, labels)
    if activation == "softmax" or several:
        require_two_labels(examples, request.texts)
    with stage(request.repository, request.name) as staging:
        draft = Draft(request, source, loaded, labels, activation, staging)
        return draft.publish(examples, calibration, progress)


def choose_labels(id2label: dict[int, str], chosen: Sequence[str] | None) -> tuple[str, ...]:
    """Settle the label names.

    Args:
        id2label: The checkpoint's own.
        chosen: The user's, which win.

    Raises:
        SourceError: the checkpoint has only placeholders, or the count is wrong.
    """
    own = tuple(id2label[i] for i in sorted(id2label))
    if chosen is not None:
        if len(chosen) != len(own):
            raise SourceError(f"--labels names {len(chosen)} labels ({', '.join(chosen)}), the model has {len(own)}")
        return _checked(tuple(chosen))
    if len(own) > 1 and own == tuple(f"LABEL_{i}" for i in range(len(own))):
        raise SourceError(
            f"the checkpoint has no label names, only {own[0]} to {own[-1]}: name them in order with --labels, "
            "such as --labels negative,positive"
        )
    return _checked(own)


def _checked(labels: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse names that a line of labels.txt or a reader could not tell apart."""
    for label in labels:
        if not label.strip() or len(label.splitlines()) > 1 or labels.count(label) > 1:
            raise SourceError(
                f"the label name {label!r} is empty, of several lines or there twice: choose with --labels"
            )
    return labels


def _gives_several(source: Source) -> bool:
    """Tell from its ``config.json`` whether a checkpoint gives any number of labels at once."""
    return bool(source.config.get("problem_type") == "multi_label_classification")


def _read_texts(request: ExportRequest, *, several: bool) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    """Give the texts of the certificate, and others for int8 to calibrate on."""
    pair_column = request.pair_column if request.pairs else None
    found = read_examples(request.texts, request.text_column, request.label_column, pair_column, several=several)
    examples = select(found, request.split)
    tried = [candidate for group in candidates_for(request.target, request.precision) for candidate in group]
    if request.split == "all" and any(candidate.precision == "int8" for candidate in tried):
        examples = tuple(e for e in examples if split_of(e.text) != CALIBRATION["all"])
    if not examples:
        raise TextsError(f"{request.texts}: its {request.split} split is empty: use --split all, or give more texts")
    return examples, select(found, CALIBRATION[request.split])


def _standing(request: ExportRequest, source: Source) -> Published | None:
    """Find out whether the version in service came from the very same files and choices."""
    manifest = published_manifest(request.repository, request.name)
    version = published_version(request.repository, request.name)
    if manifest is None or version is None:
        return None
    now = {"source_files": source.digests(), "options": request.options(), "tools": tool_versions()}
    if any(manifest.get(key) != value for key, value in now.items()):
        return None
    directory = request.repository / request.name / str(version)
    of_an_older_tritext = not (directory / EXPECTATIONS_FILE).is_file()
    if of_an_older_tritext or not _intact(request.repository, manifest):
        return None
    try:
        certificate = Certificate.from_json(read_json(directory / "certificate.json"))
    except CertificateError:  # of another tritext: a new version gets a new one
        return None
    if not certificate.passed or certificate.limits != limits_for(certificate.subject.precision, request.limits):
        return None
    if request.report:
        copy_evidence(directory, request.report)
    return Published(directory, version, certificate.line, fresh=False)


def _intact(repository: Path, manifest: Mapping[str, Any]) -> bool:
    """Tell whether every file of a version is still the one that was published."""
    files: Mapping[str, str] = manifest.get("files", {})
    return bool(files) and all((repository / p).is_file() and sha256(repository / p) == h for p, h in files.items())
