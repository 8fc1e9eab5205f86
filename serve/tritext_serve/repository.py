"""The model repository as it will be served: a folder in, checked models out.

A repository is data. Triton loads shared libraries and Python files that lie beside a model, so a file of any kind
that is not expected is refused here, before the server sees it.
"""

from dataclasses import dataclass
from pathlib import Path

from tritonclient.grpc import model_config_pb2

from tritext_serve.errors import RepositoryError
from tritext_serve.model_config import FRONT_BACKEND, parse

MODEL_FILES = frozenset({"config.pbtxt", "labels.txt"})
VERSION_FILES = frozenset({"model.onnx", "model.onnx_data", "tokenizer.json", "manifest.json", "certificate.json"})


@dataclass(frozen=True, slots=True)
class Model:
    """One model's folder.

    Attributes:
        directory: The folder; its name is the model's.
        config: Its parsed ``config.pbtxt``.
        versions: Its version folders, ascending.
    """

    directory: Path
    config: model_config_pb2.ModelConfig
    versions: tuple[Path, ...]

    @property
    def name(self) -> str:
        """The model's name."""
        return self.directory.name

    @property
    def is_front(self) -> bool:
        """Whether it takes texts."""
        return bool(self.config.backend == FRONT_BACKEND)

    @property
    def served_versions(self) -> tuple[Path, ...]:
        """The version folders that its policy loads."""
        wanted = set(self.config.version_policy.specific.versions)
        return tuple(v for v in self.versions if int(v.name) in wanted) if wanted else self.versions[-1:]


def scan(repository: Path) -> tuple[Model, ...]:
    """Read and check every model of a repository; hidden folders and loose files are left alone.

    Raises:
        RepositoryError: nothing to serve, a broken configuration, or a file that is not data.
    """
    if not repository.is_dir():
        raise RepositoryError(f"{repository}: no such directory: make one with `tritext export`")
    folders = sorted(p for p in repository.iterdir() if p.is_dir() and not p.name.startswith("."))
    models = tuple(_read_model(folder) for folder in folders)
    if not any(model.is_front for model in models):
        raise RepositoryError(f"{repository}: holds no model to serve: make one with `tritext export`")
    return models


def _read_model(folder: Path) -> Model:
    try:
        text = (folder / "config.pbtxt").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RepositoryError(f"{folder.name}/config.pbtxt: {error}: export the model again") from error
    versions = sorted((p for p in folder.iterdir() if p.is_dir() and p.name.isdecimal()), key=lambda p: int(p.name))
    _refuse_unexpected(folder, MODEL_FILES)
    for version in versions:
        _refuse_unexpected(version, VERSION_FILES)
    if not versions:
        raise RepositoryError(f"{folder.name}: has no version folder: export the model again")
    return Model(folder, parse(text, folder.name), tuple(versions))


def _refuse_unexpected(folder: Path, expected: frozenset[str]) -> None:
    for path in sorted(folder.iterdir()):
        if path.name in expected or path.name.startswith(".") or (path.is_dir() and path.name.isdecimal()):
            continue
        raise RepositoryError(
            f"{path}: a model repository holds {', '.join(sorted(expected))} and nothing else here: move it away"
        )
