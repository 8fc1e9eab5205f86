"""The model repository as it will be served: a folder in, checked models out.

A repository is data. Triton loads shared libraries and Python files that lie beside a model, so a file of any kind
that is not expected is refused here, before the server sees it. So is a link: what is checked must be what is served.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tritonclient.grpc import model_config_pb2

from tritext_serve.errors import RepositoryError
from tritext_serve.model_config import FRONT_BACKEND, parse

CONFIG_FILE = "config.pbtxt"
PLAN_FILE, PLAN_RECORD = "model.plan", "model.plan.json"
PLAN_BACKEND = "tensorrt"
MODEL_FILES = frozenset({CONFIG_FILE, "labels.txt"})
VERSION_FILES = frozenset(
    {
        "model.onnx",
        "model.onnx_data",
        PLAN_FILE,
        PLAN_RECORD,
        "tokenizer.json",
        "manifest.json",
        "certificate.json",
        "report.html",
        "expectations.json",
    }
)
# Folders beside the versions, and what a file in them is called: configurations for other servers, warm-up data.
CONFIGS = "configs"
MODEL_FOLDERS = {CONFIGS: "*.pbtxt", "warmup": "ones_*"}
# The contents of a configuration and its path in the repository in, the configuration out.
Reader = Callable[[str, str], model_config_pb2.ModelConfig]


@dataclass(frozen=True, slots=True)
class Model:
    """One model's folder.

    Attributes:
        directory: The folder; its name is the model's.
        config: The configuration that it is served by.
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
    def reads_plan(self) -> bool:
        """Whether a TensorRT engine is loaded in place of the graph."""
        return bool(self.config.backend == PLAN_BACKEND)

    @property
    def classifier(self) -> str:
        """The model behind a front; "" where its configuration names none."""
        parameters = self.config.parameters
        return str(parameters["classifier"].string_value) if "classifier" in parameters else ""

    @property
    def served_versions(self) -> tuple[Path, ...]:
        """The version folders that its policy loads."""
        policy = self.config.version_policy
        if policy.HasField("all"):
            return self.versions
        wanted = set(policy.specific.versions)
        newest = self.versions[-max(1, policy.latest.num_versions) :]
        return tuple(v for v in self.versions if int(v.name) in wanted) if wanted else newest


def _read_default(text: str, path: str) -> model_config_pb2.ModelConfig:
    name, _, file = path.partition("/")
    return parse(text, name, file)


def scan(repository: Path, config: str = "", read: Reader = _read_default) -> tuple[Model, ...]:
    """Read and check every model of a repository; hidden folders and loose files are left alone.

    A classifier serves those of its versions that its front names: while a new one is being published it has one more.

    Args:
        repository: The folder.
        config: Name of the configurations: ``configs/NAME.pbtxt`` of each model that has it. "" for ``config.pbtxt``.
        read: Parses a configuration, and refuses what this server must not load.

    Raises:
        RepositoryError: nothing to serve, a broken configuration, a version that is named and not there, or a file
            that is not data.
    """
    if not repository.is_dir():
        raise RepositoryError(f"{repository}: no such directory: make one with `tritext export`")
    folders = sorted(p for p in repository.iterdir() if p.is_dir() and not p.name.startswith("."))
    models = {folder.name: _read_model(folder, config, read) for folder in folders}
    fronts = [model for model in models.values() if model.is_front]
    if not fronts:
        raise RepositoryError(f"{repository}: holds no model to serve: make one with `tritext export`")
    for front in fronts:
        if front.classifier:
            models[front.classifier] = _behind(front, models.get(front.classifier))
    return tuple(models.values())


def _read_model(folder: Path, config_name: str, read: Reader) -> Model:
    named = f"{CONFIGS}/{config_name}.pbtxt"
    file = named if config_name and (folder / named).is_file() else CONFIG_FILE
    try:
        text = (folder / file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RepositoryError(f"{folder.name}/{file}: {error}: export the model again") from error
    versions = sorted((p for p in folder.iterdir() if p.is_dir() and p.name.isdecimal()), key=lambda p: int(p.name))
    _refuse_unexpected(folder, MODEL_FILES)
    for version in versions:
        _refuse_unexpected(version, VERSION_FILES)
    if not versions:
        raise RepositoryError(f"{folder.name}: has no version folder: export the model again")
    config = read(text, f"{folder.name}/{file}")
    there = {int(version.name) for version in versions}
    for wanted in config.version_policy.specific.versions:
        if wanted not in there:
            raise RepositoryError(
                f"{folder.name}/{file}: names version {wanted}, which is not there: "
                "put another in service with `tritext repository promote`"
            )
    return Model(folder, config, tuple(versions))


def _behind(front: Model, classifier: Model | None) -> Model:
    """Narrow a classifier to the versions that its front serves."""
    wanted = {int(version.name) for version in front.served_versions}
    there = {int(version.name) for version in classifier.served_versions} if classifier else set()
    if classifier is None or not wanted <= there:
        missing = min(wanted - there)
        raise RepositoryError(
            f"{front.name} serves version {missing}, and {front.classifier} does not: "
            f"`tritext repository promote {front.name} {missing}` puts both in service"
        )
    if wanted == there:
        return classifier
    config = type(classifier.config)()
    config.CopyFrom(classifier.config)
    config.version_policy.specific.versions[:] = sorted(wanted)
    return replace(classifier, config=config)


def _refuse_unexpected(folder: Path, expected: frozenset[str]) -> None:
    if folder.is_symlink():
        raise RepositoryError(f"{folder}: is a link: put the folder itself there")
    for path in _unexpected(folder, expected):
        if path.is_symlink():
            raise RepositoryError(f"{path}: is a link: put the file itself there")
        raise RepositoryError(
            f"{path}: a model repository holds {', '.join(sorted(expected))} and nothing else here: move it away"
        )


def _unexpected(folder: Path, expected: frozenset[str]) -> Iterator[Path]:
    """Find what is neither an expected file nor, in a model's folder, a version or a folder of what belongs there."""
    for path in sorted(p for p in folder.iterdir() if not p.name.startswith(".")):
        if path.is_symlink():
            yield path
        elif path.is_file():
            yield from () if path.name in expected else (path,)
        elif expected is not MODEL_FILES:
            yield path
        elif path.name in MODEL_FOLDERS:
            pattern = MODEL_FOLDERS[path.name]
            yield from (p for p in sorted(path.iterdir()) if not _is_plain(p, pattern))
        elif not path.name.isdecimal():
            yield path


def _is_plain(path: Path, pattern: str) -> bool:
    return path.name.startswith(".") or (path.match(pattern) and path.is_file() and not path.is_symlink())
