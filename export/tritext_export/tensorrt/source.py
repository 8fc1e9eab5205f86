"""The published, certified version that an engine is made from: a repository in, its graph and limits out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tritext_export.catalogue import CERTIFICATE_FILE, MANIFEST_FILE, folders, fronts
from tritext_export.errors import EngineError, RepositoryError
from tritext_export.layout import CONFIG_FILE, CONFIGS
from tritext_export.repository import published_version
from tritext_export.sources import read_json, sha256
from tritext_export.triton import from_text
from tritext_export.triton_gpu import GPU_BATCH_TOKENS

if TYPE_CHECKING:
    from onnx import ModelProto

MODEL_FILE = "model.onnx"


@dataclass(frozen=True, slots=True)
class EngineSource:
    """One version, as far as an engine needs it.

    Attributes:
        name: The front's name.
        version: The version in service, the newest of several.
        front: The front's version folder.
        classifier: The classifier's version folder.
        manifest: The version's manifest.
        max_tokens: The largest budget of a sub-batch that the front's configurations name, or a GPU's usual one.
        max_texts: Most texts in a sub-batch.
    """

    name: str
    version: int
    front: Path
    classifier: Path
    manifest: Mapping[str, Any]
    max_tokens: int
    max_texts: int

    @property
    def model(self) -> Path:
        """The certified graph."""
        return self.classifier / MODEL_FILE

    @property
    def max_length(self) -> int:
        """Longest text in tokens."""
        return int(self.manifest["max_length"])

    def load(self) -> "ModelProto":
        """Read the graph with its weights.

        Raises:
            RepositoryError: it is no graph, or points outside its folder.
        """
        import onnx

        from tritext_export.inspection import inspect

        inspect(self.model)
        return onnx.load(self.model)


def find_source(repository: Path, name: str) -> EngineSource:
    """Find the version of a model that is in service, and make sure that it is the certified one.

    Raises:
        EngineError: it is not fp32, or not what its manifest says.
        RepositoryError: there is no such repository, model or version.
    """
    fronts(repository, [name])
    version = published_version(repository, name)
    if version is None:
        raise RepositoryError(
            f"{repository}: {name} has no version in service: name one with `tritext repository promote`"
        )
    front, classifier = folders(repository, name, version)
    manifest, certificate = (read_json(front / file) for file in (MANIFEST_FILE, CERTIFICATE_FILE))
    if certificate.get("passed") is not True:
        raise EngineError(
            f"{front / CERTIFICATE_FILE}: it did not pass: an engine is made from a certified version only"
        )
    _require_standard_fp32(name, version, manifest)
    model = classifier / MODEL_FILE
    listed = manifest.get("files", {}).get(str(model.relative_to(repository)))
    if not model.is_file() or sha256(model) != listed:
        raise EngineError(f"{model}: it is not the file that was certified: export the model again")
    settings = tuple(_settings(repository / name))
    budgets = [tokens for tokens, _ in settings if tokens]
    return EngineSource(
        name,
        version,
        front,
        classifier,
        manifest,
        max_tokens=max([GPU_BATCH_TOKENS, *budgets]),
        max_texts=max(texts for _, texts in settings),
    )


def _require_standard_fp32(name: str, version: int, manifest: Mapping[str, Any]) -> None:
    """Refuse graphs that TensorRT's parser does not read."""
    if manifest.get("precision") != "fp32":
        raise EngineError(
            f"{name} version {version} is {manifest.get('precision')}: an engine is made from the fp32 graph; export "
            "that one with --target gpu --precision fp32, under another --name"
        )
    if manifest.get("target") != "gpu":
        raise EngineError(
            f"{name} version {version} is made for CPUs, with operators that only ONNX Runtime has: export it with "
            "--target gpu --precision fp32"
        )


def _settings(folder: Path) -> Iterator[tuple[int, int]]:
    """Read the token budget (0 where none is named) and the most texts from each of a front's configurations."""
    for path in (folder / CONFIG_FILE, *sorted((folder / CONFIGS).glob("*.pbtxt"))):
        config = from_text(path.read_text(encoding="utf-8"))
        budget = config.parameters["max_batch_tokens"].string_value
        yield int(budget) if budget.isdecimal() else 0, max(1, config.max_batch_size)
