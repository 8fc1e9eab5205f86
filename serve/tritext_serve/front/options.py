"""What the front must know: Triton's model configuration and the version's manifest in, frozen options out."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Activation = Literal["softmax", "sigmoid", "none"]
ACTIVATIONS: tuple[Activation, ...] = ("softmax", "sigmoid", "none")
RESERVED_OUTPUTS = frozenset({"text", "score", "scores", "label_id", "tokens", "truncated"})
PAIR_INPUT = "text_pair"

# On two AVX-512 cores a sub-batch gains nothing past about 400 padded tokens (docs/performance.md).
DEFAULT_MAX_BATCH_TOKENS = 384
DEFAULT_MAX_TEXT_BYTES = 1 << 20


class OptionsError(ValueError):
    """The repository does not say what the front needs; the model stays unready with this message."""


@dataclass(frozen=True, slots=True)
class Options:
    """One version of one front model.

    Attributes:
        classifier: Name of the model that turns token ids into logits.
        version: The version of both models.
        label_output: Name of the output that carries the label as a string.
        labels: Label names in the order of the logits.
        activation: What turns logits into probabilities.
        max_length: Longest input in tokens, special tokens counted; the rest of a text is cut off.
        inputs: The classifier's inputs, in its own order.
        pad_token_id: What fills a row up; some models count positions by it, so it must be the checkpoint's own.
        pairs: Whether each request gives two texts at a time, ``text`` and ``text_pair``.
        max_batch_tokens: Most tokens, padding counted, that one call to the classifier carries.
        max_batch_texts: Most texts in one such call: the classifier's own batch limit.
        max_text_bytes: A longer text is refused before any work is spent on it.
    """

    classifier: str
    version: int
    label_output: str
    labels: tuple[str, ...]
    activation: Activation
    max_length: int
    inputs: tuple[str, ...]
    pad_token_id: int
    max_batch_tokens: int = DEFAULT_MAX_BATCH_TOKENS
    max_batch_texts: int = 64
    max_text_bytes: int = DEFAULT_MAX_TEXT_BYTES
    pairs: bool = False


def read_options(config: Mapping[str, Any], version_directory: Path) -> Options:
    """Combine ``config.pbtxt`` (as Triton's JSON) with ``manifest.json`` of the version.

    Raises:
        OptionsError: a value is missing or makes no sense; the message names the file and the key.
    """
    manifest = _read_manifest(version_directory / "manifest.json")
    parameters = {key: value["string_value"] for key, value in config.get("parameters", {}).items()}
    activation = manifest.get("activation")
    if activation not in ACTIVATIONS:
        raise OptionsError(f"manifest.json: activation {activation!r} is none of {', '.join(ACTIVATIONS)}")
    return Options(
        classifier=_required(parameters, "classifier", "config.pbtxt parameters"),
        version=int(version_directory.name),
        label_output=_label_output(config),
        labels=tuple(_required(manifest, "labels", "manifest.json")),
        activation=activation,
        max_length=int(_required(manifest, "max_length", "manifest.json")),
        inputs=tuple(_required(manifest, "inputs", "manifest.json")),
        pad_token_id=int(_required(manifest, "pad_token_id", "manifest.json")),
        max_batch_tokens=_positive(parameters, "max_batch_tokens", DEFAULT_MAX_BATCH_TOKENS),
        max_batch_texts=max(1, int(config.get("max_batch_size", 1))),
        max_text_bytes=_positive(parameters, "max_text_bytes", DEFAULT_MAX_TEXT_BYTES),
        pairs=_pairs(config, manifest),
    )


def _pairs(config: Mapping[str, Any], manifest: Mapping[str, Any]) -> bool:
    """Tell whether both files speak of pairs; manifests of version 0.1 do not, and mean single texts."""
    names = [tensor["name"] for tensor in config.get("input", [])]
    wanted = manifest.get("pairs", False)
    if wanted != (PAIR_INPUT in names):
        raise OptionsError(f"manifest.json: pairs is {wanted}, but config.pbtxt has the inputs {', '.join(names)}")
    return bool(wanted)


def _label_output(config: Mapping[str, Any]) -> str:
    """Name the one output that is not in the contract: the label's."""
    names = [output["name"] for output in config.get("output", []) if output["name"] not in RESERVED_OUTPUTS]
    if len(names) != 1:
        raise OptionsError(f"config.pbtxt: exactly one output must carry the label, found {names or 'none'}")
    return str(names[0])


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise OptionsError(f"{path.name} of version {path.parent.name}: {error}") from error
    return manifest


def _required(mapping: Mapping[str, Any], key: str, where: str) -> Any:
    if key not in mapping:
        raise OptionsError(f"{where}: {key!r} is missing")
    return mapping[key]


def _positive(parameters: Mapping[str, str], key: str, default: int) -> int:
    text = parameters.get(key, str(default))
    if not text.isdecimal() or int(text) < 1:
        raise OptionsError(f"config.pbtxt parameters: {key} is {text!r}, not a positive whole number")
    return int(text)
