"""Which version serves, and which are kept: promote, roll back, prune. Locked, and safe to kill at any moment."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

from tritext_export.catalogue import MANIFEST_FILE, facts_of, folders, fronts
from tritext_export.disk import in_use, locked, sync_directory
from tritext_export.errors import RepositoryError
from tritext_export.repository import (
    hidden_folder,
    published_versions,
    require_same_contract,
    switch,
    versions_on_disk,
)
from tritext_export.sources import read_json
from tritext_export.triton import classifier_name
from tritext_export.verification import require_sound, version_problems


def promote(repository: Path, name: str, version: int) -> int | None:
    """Put a version in service, whose files are checked first; the one in service already has its configs renewed.

    Returns:
        The version that was in service before, the newest of several.

    Raises:
        RepositoryError: there is no such version, it is not what was certified, or another writer is at work.
    """
    fronts(repository, [name])
    with locked(repository):
        return _promote(repository, name, version)


def roll_back(repository: Path, name: str) -> tuple[int, int]:
    """Put the newest sound version before the one in service there instead.

    Returns:
        The version that was in service, and the one that is now.

    Raises:
        RepositoryError: there is no older version that is sound.
    """
    fronts(repository, [name])
    with locked(repository):
        serving = min(published_versions(repository, name), default=0)
        older = [v for v in versions_on_disk(repository, name) if v < serving]
        sound = next((v for v in reversed(older) if not any(version_problems(repository, name, v))), None)
        if sound is None:
            why = f"{', '.join(map(str, older))} cannot be served" if older else "there is no older one"
            raise RepositoryError(f"{name}: nothing to go back to from version {serving}: {why}")
        _promote(repository, name, sound)
        return serving, sound


def prune(repository: Path, names: Sequence[str], keep: int, *, pretend: bool = False) -> list[tuple[str, int, str]]:
    """Remove old versions.

    Never removed: what a front's config names, and what a running `tritext serve` has loaded.

    Args:
        repository: The model repository.
        names: Fronts; every one where there are none.
        keep: How many of the newest stay, whether they serve or not.
        pretend: Whether to say only what would be done.

    Returns:
        Model, version and what became of it, for each version beyond ``keep`` that does not serve.

    Raises:
        RepositoryError: there is no such model, or another writer is at work.
    """
    models = fronts(repository, names)
    # Whoever makes the hidden folder clears away those of the dead, which a rehearsal must not.
    out_of_sight: contextlib.AbstractContextManager[Path]
    out_of_sight = contextlib.nullcontext(repository) if pretend else hidden_folder(repository)
    with locked(repository), out_of_sight as bin_:
        for name in () if pretend else models:
            _settle(repository, name)
        return [
            (name, version, _remove(repository, name, version, bin_, pretend=pretend))
            for name in models
            for version in _surplus(repository, name, keep)
        ]


def _promote(repository: Path, name: str, version: int) -> int | None:
    manifest = require_sound(repository, name, version)
    facts = facts_of(manifest)
    require_same_contract(repository, facts, manifest["labels"])
    before = published_versions(repository, name)
    switch(repository, facts, version)
    return max(before, default=None)


def _settle(repository: Path, name: str) -> None:
    """Let a classifier whose export was killed half-way name what its front names, and nothing else."""
    serving = published_versions(repository, name)
    if len(serving) == 1 and published_versions(repository, classifier_name(name)) != serving:
        manifest = read_json(folders(repository, name, serving[0])[0] / MANIFEST_FILE)
        switch(repository, facts_of(manifest), serving[0])


def _surplus(repository: Path, name: str, keep: int) -> list[int]:
    """Choose what may go: it does not serve, and it is not among the newest or is not whole."""
    there = versions_on_disk(repository, name)
    whole = [v for v in there if all(folder.is_dir() for folder in folders(repository, name, v))]
    stay = {*whole[-keep:], *published_versions(repository, name)}
    return [v for v in there if v not in stay]


def _remove(repository: Path, name: str, version: int, bin_: Path, *, pretend: bool) -> str:
    """Move a version's folders out of sight, the front's first; the hidden folder is then removed with them."""
    present = [folder for folder in folders(repository, name, version) if folder.is_dir()]
    if any(map(in_use, present)):
        return "kept: a running server has it"
    if pretend:
        return "would be removed"
    for folder in present:
        folder.rename(bin_ / f"{folder.parent.name}-{version}")
        sync_directory(folder.parent)
    return "removed"
