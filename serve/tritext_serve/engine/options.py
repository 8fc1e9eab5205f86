"""How ONNX Runtime is to run: Triton's model configuration in, frozen options out. Pure.

Keys, values and defaults are those of Triton's C++ onnxruntime backend (its README and ``src/onnxruntime.cc``), so
that one ``config.pbtxt`` serves both; a key of the C++ backend that means nothing on a CPU is accepted and ignored.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# optimization { graph { level: L } }: what the C++ backend makes of it, by ONNX Runtime's own names.
GRAPH_LEVELS = {-1: "ORT_ENABLE_BASIC", 0: "ORT_ENABLE_ALL", 1: "ORT_ENABLE_EXTENDED", 2: "ORT_DISABLE_ALL"}
EXECUTION_MODES = {0: "ORT_SEQUENTIAL", 1: "ORT_PARALLEL"}
# The parameter that the launcher writes, and ONNX Runtime's name for what each device needs.
DEVICE = "device"
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class EngineOptionsError(ValueError):
    """The configuration asks for something that does not exist; the model stays unready with this message."""


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How one instance runs its session.

    Attributes:
        filename: The model file in the version's folder.
        graph_level: An ``onnxruntime.GraphOptimizationLevel`` by name.
        execution_mode: An ``onnxruntime.ExecutionMode`` by name.
        intra_op_threads: Threads inside an operator; 0 lets ONNX Runtime choose.
        inter_op_threads: Threads among operators; 0 lets ONNX Runtime choose.
        memory_arena: Whether freed memory is kept for the next run.
        memory_pattern: Whether allocations are planned ahead for a repeated shape.
        outputs: The outputs that the model configuration declares.
        provider: ONNX Runtime's name of what computes.
    """

    filename: str
    graph_level: str
    execution_mode: str
    intra_op_threads: int
    inter_op_threads: int
    memory_arena: bool
    memory_pattern: bool
    outputs: tuple[str, ...]
    provider: str = PROVIDERS["cpu"]


def read_engine_options(config: Mapping[str, Any]) -> EngineOptions:
    """Read what ``config.pbtxt`` (as Triton's JSON) says.

    Raises:
        EngineOptionsError: a value is none that the C++ backend takes; the message names the key.
    """
    parameters = {key: value["string_value"] for key, value in config.get("parameters", {}).items()}
    level = int(config.get("optimization", {}).get("graph", {}).get("level", 0))
    return EngineOptions(
        filename=config.get("default_model_filename") or "model.onnx",
        graph_level=_choice(GRAPH_LEVELS, level, "optimization.graph.level"),
        execution_mode=_choice(EXECUTION_MODES, _number(parameters, "execution_mode", 0), "execution_mode"),
        intra_op_threads=_number(parameters, "intra_op_thread_count", 0),
        inter_op_threads=_number(parameters, "inter_op_thread_count", 0),
        memory_arena=bool(_number(parameters, "enable_mem_arena", 1)),
        memory_pattern=bool(_number(parameters, "enable_mem_pattern", 1)),
        outputs=tuple(output["name"] for output in config.get("output", [])),
        provider=_choice(PROVIDERS, parameters.get(DEVICE, "cpu"), f"parameters: {DEVICE}"),
    )


def _number(parameters: Mapping[str, str], key: str, default: int) -> int:
    text = parameters.get(key, str(default))
    if not text.isdecimal():
        raise EngineOptionsError(f"config.pbtxt parameters: {key} is {text!r}, not a whole number")
    return int(text)


def _choice(choices: Mapping[Any, str], value: int | str, key: str) -> str:
    if value not in choices:
        raise EngineOptionsError(f"config.pbtxt: {key} is {value}, not one of {', '.join(map(str, choices))}")
    return choices[value]
