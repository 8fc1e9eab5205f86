"""What the front must know: Triton's model configuration and the version's manifest in, frozen options out."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from tritext_serve.front.long_texts import (
    DEFAULT_MAX_REQUEST_WINDOWS,
    DEFAULT_MAX_WINDOWS,
    TRUNCATE,
    Limits,
    LongTexts,
    LongTextsError,
    read_long_texts,
)
from tritext_serve.front.planner import CPU_COSTS, Costs

Activation = Literal["softmax", "sigmoid", "none"]
ACTIVATIONS: tuple[Activation, ...] = ("softmax", "sigmoid", "none")
RESERVED_OUTPUTS = frozenset({"text", "score", "scores", "label_id", "tokens", "truncated"})
PAIR_INPUT = "text_pair"

# What a sub-batch may hold at most on a CPU; by its costs the plan mostly stays below (docs/performance.md). Where the
# dense layers leave padding out more go together; beyond 1,024 what lies in caches counts for more than calls saved.
DEFAULT_MAX_BATCH_TOKENS, DEFAULT_PACKED_TOKENS = 384, 1024
# By which name the manifest says that they do.
PACKED_EDIT = "packed"
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
        max_batch_texts: Most texts in one such call: the classifier's own batch limit, or less.
        max_text_bytes: A longer text is refused before any work is spent on it.
        costs: What a call to the classifier costs, by its shape and whether its graph is packed.
        long_texts: How texts longer than ``max_length`` are taken where a request does not say.
        max_windows: Most windows that one such text may be read in.
        max_request_windows: Most windows that the long texts of one request may be read in together.
        deduplicate: Whether texts of a batch that are the same are computed once.
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
    costs: Costs = CPU_COSTS
    long_texts: LongTexts = TRUNCATE
    max_windows: int = DEFAULT_MAX_WINDOWS
    max_request_windows: int = DEFAULT_MAX_REQUEST_WINDOWS
    deduplicate: bool = True

    @property
    def limits(self) -> Limits:
        """What bounds long texts."""
        return Limits(self.max_length, self.pairs, self.max_windows, self.max_request_windows)


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
    batch_limit = max(1, int(config.get("max_batch_size", 1)))
    pairs, max_length = _pairs(config, manifest), int(_required(manifest, "max_length", "manifest.json"))
    packed = PACKED_EDIT in manifest.get("graph_edits", ())
    most_tokens = DEFAULT_PACKED_TOKENS if packed else DEFAULT_MAX_BATCH_TOKENS
    return Options(
        classifier=_required(parameters, "classifier", "config.pbtxt parameters"),
        version=int(version_directory.name),
        label_output=_label_output(config),
        labels=tuple(_required(manifest, "labels", "manifest.json")),
        activation=activation,
        max_length=max_length,
        inputs=tuple(_required(manifest, "inputs", "manifest.json")),
        pad_token_id=int(_required(manifest, "pad_token_id", "manifest.json")),
        max_batch_tokens=_positive(parameters, "max_batch_tokens", most_tokens),
        max_batch_texts=min(batch_limit, _positive(parameters, "max_batch_texts", batch_limit)),
        max_text_bytes=_positive(parameters, "max_text_bytes", DEFAULT_MAX_TEXT_BYTES),
        pairs=pairs,
        costs=_costs(parameters, packed),
        long_texts=_long_texts(parameters, Limits(max_length, pairs)),
        max_windows=_positive(parameters, "max_windows", DEFAULT_MAX_WINDOWS),
        max_request_windows=_positive(parameters, "max_request_windows", DEFAULT_MAX_REQUEST_WINDOWS),
        deduplicate=_flag(parameters, "deduplicate", default=True),
    )


def _costs(parameters: Mapping[str, str], packed: bool) -> Costs:
    """Read the costs that are given, each a number of microseconds."""
    given = {}
    for name in ("call", "text", "token", "pair"):
        text = parameters.get(f"cost_{name}")
        if text is None:
            continue
        try:
            given[name] = float(text)
        except ValueError:
            given[name] = math.nan
        if not 0 <= given[name] < math.inf:
            raise OptionsError(f"config.pbtxt parameters: cost_{name} is {text!r}, not a number of microseconds")
    return replace(CPU_COSTS, packed=packed, **given)


def _long_texts(parameters: Mapping[str, str], limits: Limits) -> LongTexts:
    try:
        return read_long_texts(parameters, TRUNCATE, limits)
    except LongTextsError as error:
        raise OptionsError(f"config.pbtxt parameters: {error}") from error


def _flag(parameters: Mapping[str, str], key: str, *, default: bool) -> bool:
    text = parameters.get(key, str(default).lower())
    if text not in ("true", "false"):
        raise OptionsError(f"config.pbtxt parameters: {key} is {text!r}: take true or false")
    return text == "true"


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
