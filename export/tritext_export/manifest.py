"""What a version is: plain facts in, ``manifest.json`` out. Pure.

The front reads ``labels``, ``activation``, ``max_length``, ``inputs`` and ``pad_token_id`` from it; the launcher its
``canary``; everybody else learns where the version came from.
"""

import importlib.metadata
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

SCHEMA = 1
_TOOLS = (
    "tritext",
    "torch",
    "transformers",
    "optimum",
    "optimum-onnx",
    "onnx",
    "onnx-ir",
    "onnxruntime",
    "onnxruntime-gpu",
    "peft",
    "tokenizers",
)


@dataclass(frozen=True, slots=True)
class Canary:
    """A text and what the exported model says of it; the launcher asks again before it calls a server ready.

    ``pair`` is its second text, where the model is for pairs.
    """

    text: str
    label_id: int
    label: str
    score: float
    pair: str | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """One published version.

    Attributes:
        name: The front's name.
        version: Its number.
        created: UTC time, ISO 8601.
        source: What was exported, as the user named it.
        base: For an adapter, the model it was merged into.
        source_files: sha256 by name of every file the answers depend on.
        labels: Label names in the order of the logits.
        problem_type: As the checkpoint says.
        activation: What turns logits into probabilities: softmax, sigmoid or none.
        max_length: Longest input in tokens.
        pairs: Whether a request gives two texts at a time.
        inputs: The ONNX model's inputs.
        pad_token_id: What fills a row up.
        target: Where the graph is to run: cpu, with ONNX Runtime's own operators, or gpu, with standard ones only.
        precision: Of the weights.
        graph_edits: What was done to the graph after tracing.
        layers: For int8, how each group of dense layers runs, by the name of the first.
        options: What the user chose that changes the files.
        canary: A text with its answer.
        tools: Versions of what made the files.
        files: sha256 of every file of the version, by its path in the repository.
    """

    name: str
    version: int
    created: str
    source: str
    base: str | None
    source_files: Mapping[str, str]
    labels: tuple[str, ...]
    problem_type: str | None
    activation: str
    max_length: int
    pairs: bool
    inputs: tuple[str, ...]
    pad_token_id: int
    target: str
    precision: str
    graph_edits: tuple[str, ...]
    layers: Mapping[str, str]
    options: Mapping[str, Any]
    canary: Canary
    tools: Mapping[str, str]
    files: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """Give the manifest as JSON's own types."""
        return {"schema": SCHEMA} | asdict(self)


def tool_versions() -> dict[str, str]:
    """Read the versions of the tools that are installed."""
    versions = {}
    for tool in _TOOLS:
        try:
            versions[tool] = importlib.metadata.version(tool)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
