"""Which model answers: the number of its version, and the hash of the manifest that `tritext export` wrote beside it.

A number does not tell one repository's version from another's; the manifest does, since it names every file of the
version by its content. A job that serves a repository itself knows it. An endpoint tells only the number, and its URL
says nothing: hosts move.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from tritext_batch.errors import ModelError

MANIFEST_FILE = "manifest.json"
_SHOWN = 12


def manifest_of(repository: Path | None, model: str, version: str) -> str:
    """Give the sha256 of a version's manifest.

    Args:
        repository: What the job serves; None where it asks an endpoint.
        model: The front model's name.
        version: As the server says it.

    Returns:
        Hexadecimal digits; empty where there is no manifest to be seen.
    """
    if repository is None:
        return ""
    try:
        return hashlib.sha256((repository / model / version / MANIFEST_FILE).read_bytes()).hexdigest()
    except OSError:  # a model that was put there by hand
        return ""


def check_model(name: str, before: Mapping[str, Sequence[str]], now: Mapping[str, str], work: Path) -> None:
    """Refuse another model than the one that has answered until now. Pure.

    Args:
        name: The model's.
        before: The versions that have answered, with the manifests of each.
        now: The versions that answer, or will, with the manifest of each.
        work: The job's folder; named in the message.

    Raises:
        ModelError: naming both.
    """
    pairs = [(version, manifest) for version, manifests in before.items() for manifest in manifests]
    (version, manifest), *others = dict.fromkeys((*pairs, *now.items())) or [("", "")]
    if not others:
        return
    other, its = others[0]
    remedy = f"let both stand in it with --mixed-versions, or remove {work} to begin anew"
    if other != version:
        raise ModelError(
            f"version {version} of {name} began this output, and {other} answers now: ask the old one with "
            f"--model-version, {remedy}"
        )
    raise ModelError(
        f"version {version} of {name} began this output as {_described(manifest)}, and is now {_described(its)}: "
        f"give the repository or the endpoint that it began with, {remedy}"
    )


def _described(manifest: str) -> str:
    return f"that of manifest {manifest[:_SHOWN]}" if manifest else "one that shows no manifest"
