"""A small BERT in a repository, exported for GPUs and certified."""

import shutil
from pathlib import Path

import pytest

from tests.conftest import Silent
from tests.export.conftest import MakeCheckpoint
from tritext_export.export import export_model
from tritext_export.labelled import Example, write_tsv
from tritext_export.request import ExportRequest


@pytest.fixture(scope="session")
def exported(
    tmp_path_factory: pytest.TempPathFactory, make_checkpoint: MakeCheckpoint, tiny_examples: tuple[Example, ...]
) -> Path:
    """The repository."""
    folder = tmp_path_factory.mktemp("exported")
    write_tsv(folder / "texts.tsv", tiny_examples)
    repository = folder / "model_repository"
    request = ExportRequest(str(make_checkpoint()), "tiny", repository, folder / "texts.tsv", target="gpu")
    export_model(request, Silent())
    return repository


@pytest.fixture
def repository(exported: Path, tmp_path: Path) -> Path:
    """The same, for one test to change."""
    return Path(shutil.copytree(exported, tmp_path / "model_repository"))
