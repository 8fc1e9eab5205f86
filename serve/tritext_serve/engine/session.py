"""ONNX Runtime: options and a model file in, output arrays out. Imports onnxruntime, alone here.

``Engine.run`` may be called from several threads at once; it lets go of Python's lock while it computes.
"""

import ctypes
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt
import onnxruntime as ort

from tritext_serve.engine.options import PROVIDERS, EngineOptions, EngineOptionsError

Array = npt.NDArray[Any]


class Engine:
    """One session of one model."""

    def __init__(self, options: EngineOptions, version_directory: Path) -> None:
        """Load and optimise the model.

        Raises:
            EngineOptionsError: the file is missing or lacks an output that the configuration declares, or the device
                cannot be used.
        """
        path = version_directory / options.filename
        if not path.is_file():
            raise EngineOptionsError(f"unable to find {options.filename!r} in version {version_directory.name}")
        _require(options.provider)
        self._session = ort.InferenceSession(str(path), _session_options(options), providers=[options.provider])
        # Where its libraries do not load, ONNX Runtime warns and goes on with the CPU.
        if options.provider not in self._session.get_providers():
            raise EngineOptionsError(f"{options.provider} does not start here: {_remedy(options.provider)}")
        _return_freed_memory()
        missing = set(options.outputs) - {output.name for output in self._session.get_outputs()}
        if missing:
            raise EngineOptionsError(f"{options.filename} has no output {sorted(missing)[0]!r}")

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the model's inputs."""
        return tuple(node.name for node in self._session.get_inputs())

    def run(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        """Run one batch; the arrays' first axis is the batch."""
        arrays: list[Array] = self._session.run(list(outputs), dict(inputs))
        return arrays


def _require(provider: str) -> None:
    """Refuse a provider that this build of ONNX Runtime lacks.

    Raises:
        EngineOptionsError: naming it, those that there are, and the remedy.
    """
    there = ort.get_available_providers()
    if provider not in there:
        raise EngineOptionsError(f"this onnxruntime has {', '.join(there)}, not {provider}: {_remedy(provider)}")
    if provider == PROVIDERS["cuda"]:
        ort.preload_dlls()  # CUDA's own libraries, where pip has installed them


def _remedy(provider: str) -> str:
    if provider != PROVIDERS["cuda"]:
        return "install onnxruntime again"
    return "install onnxruntime-gpu in place of onnxruntime, with CUDA and cuDNN, or serve with --device cpu"


def _return_freed_memory() -> None:
    """Give the memory that parsing the model took back to the system: 28 MB of 190 for MiniLM-L6 in fp32."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # the GNU C library's own
    if trim is not None:
        trim(0)


def _session_options(options: EngineOptions) -> ort.SessionOptions:
    session = ort.SessionOptions()
    session.graph_optimization_level = getattr(ort.GraphOptimizationLevel, options.graph_level)
    session.execution_mode = getattr(ort.ExecutionMode, options.execution_mode)
    session.intra_op_num_threads = options.intra_op_threads
    session.inter_op_num_threads = options.inter_op_threads
    session.enable_cpu_mem_arena = options.memory_arena
    session.enable_mem_pattern = options.memory_pattern
    # Threads that spin while they wait cost as much as threads that work, and every core here has work.
    session.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return session
