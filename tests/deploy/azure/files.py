"""Where the files for Azure are, and ``main.bicep`` worked out with the parameters that were rendered for it."""

import json
import shutil
from pathlib import Path
from typing import Any

from tests.deploy.azure.bicep import Built, build

ROOT = Path(__file__).parents[3]
AZURE = ROOT / "deploy/azure"
RENDERED = AZURE / "rendered"
SOURCES = [ROOT / "deploy/endpoint" / f"{name}.yml" for name in ("endpoint", "blue", "green", "network")]
WRONG = Path(__file__).parent / "wrong"
FRONTS = ("sentiment", "sentiment_naive")
ACCESSES = ("private_endpoint", "service_endpoint")


def fronts(_: Path) -> tuple[str, ...]:
    """Stand for the repository of the demo, which is not part of the tree."""
    return FRONTS


def parameters(**changed: Any) -> dict[str, Any]:
    """What was rendered for ``main.bicep``."""
    wrapped = json.loads((RENDERED / "main.parameters.json").read_text(encoding="utf-8"))["parameters"]
    return {name: value["value"] for name, value in wrapped.items()} | changed


def built(access: str, folder: Path = AZURE) -> Built:
    """Work out ``main.bicep`` for one way to the storage account."""
    return build(folder / "main.bicep", parameters(storageAccess=access))


def changed(folder: Path, *edits: tuple[str, str, str]) -> Path:
    """Copy the Bicep files, with passages of them others: file, as it is, as it becomes."""
    shutil.copytree(AZURE, folder, ignore=shutil.ignore_patterns("rendered"), dirs_exist_ok=True)
    for file, old, new in edits:
        text = (folder / file).read_text(encoding="utf-8")
        if text.count(old) != 1:
            raise ValueError(f"{file} holds {old!r} {text.count(old)} times")
        (folder / file).write_text(text.replace(old, new), encoding="utf-8")
    return folder
