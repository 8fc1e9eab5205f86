"""NVIDIA's Python module in small: its "engines" are ONNX graphs with profiles, which ONNX Runtime runs at addresses.

It refuses what the real one refuses: shapes outside the profile, unknown tensors, memory that was not named.
"""

import ctypes
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from tests.export.tensorrt.device import STREAM
from tritext_export.tensorrt.device import Device
from tritext_export.tensorrt.profiles import Profile
from tritext_export.tensorrt.runner import NotRun, Runner, find_runner

Logits = npt.NDArray[np.float32]


class Severity(IntEnum):
    """As NVIDIA numbers them."""

    ERROR = 1


class TensorIOMode(IntEnum):
    """Which way a tensor goes."""

    INPUT = 1
    OUTPUT = 2


class ILogger:
    """Base of loggers."""

    Severity = Severity


@dataclass
class Library:
    """The module.

    Attributes:
        tamper: Changes the answers: a profile's number and logits in, logits out.
        index: What an engine reads its inputs as.
        refuses: Whether engines are not taken.
        used: Every (profile, shape) that was run.
    """

    tamper: Callable[[int, Logits], Logits] = lambda profile, logits: logits
    index: str = "int64"
    refuses: bool = False
    used: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)
    __name__ = "paper"
    int64, int32, float32 = "int64", "int32", "float32"
    ILogger, TensorIOMode = ILogger, TensorIOMode

    def Runtime(self, log: Any) -> "Runtime":  # noqa: N802  # NVIDIA's name
        return Runtime(self, log)


@dataclass
class Runtime:
    """Takes engines."""

    library: Library
    log: Any

    def deserialize_cuda_engine(self, engine: bytes) -> "Engine | None":
        if self.library.refuses:
            self.log.log(Severity.ERROR, "the engine is for\nanother GPU")
            return None
        return Engine(self.library, self.log, engine)


class Engine:
    """A graph and its profiles."""

    def __init__(self, library: Library, log: Any, engine: bytes) -> None:
        head, _, onnx = engine.partition(b"\n")
        self.library, self.log = library, log
        self.profiles = [Profile(*(tuple(shape) for shape in shapes)) for shapes in json.loads(head)]
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
        self.session = ort.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
        self.inputs = [node.name for node in self.session.get_inputs()]
        self.num_io_tensors, self.num_optimization_profiles = len(self.inputs) + 1, len(self.profiles)

    def get_tensor_name(self, place: int) -> str:
        return str([*self.inputs, self.session.get_outputs()[0].name][place])

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return TensorIOMode.INPUT if name in self.inputs else TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name: str) -> str:
        return self.library.index if name in self.inputs else "float32"

    def get_tensor_profile_shape(self, name: str, place: int) -> list[tuple[int, int]]:
        assert name in self.inputs
        profile = self.profiles[place]
        return [profile.smallest, profile.typical, profile.largest]

    def create_execution_context(self) -> "Context":
        return Context(self)


class Context:
    """One run after another."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.profile = engine, -1
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.addresses: dict[str, int] = {}

    def set_optimization_profile_async(self, profile: int, stream: int) -> bool:
        self.profile = profile
        self.shapes.clear()
        return stream == STREAM

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        low, _, high = (np.array(each) for each in self.engine.get_tensor_profile_shape(name, self.profile))
        if (np.array(shape) < low).any() or (np.array(shape) > high).any():
            self.engine.log.log(Severity.ERROR, "the shape is outside\nof the profile")
            return False
        self.shapes[name] = shape
        return True

    def set_tensor_address(self, name: str, address: int) -> bool:
        self.addresses[name] = address
        return address != 0 and name in (*self.engine.inputs, "logits")

    def get_tensor_shape(self, name: str) -> tuple[int, int]:
        assert name == "logits"
        assert set(self.shapes) == set(self.engine.inputs)
        (labels,) = self.engine.session.get_outputs()[0].shape[1:]
        return next(iter(self.shapes.values()))[0], int(labels)

    def execute_async_v3(self, stream: int) -> bool:
        width = np.dtype(self.engine.library.index)
        arrays = {}
        for name, shape in self.shapes.items():
            content = ctypes.string_at(self.addresses[name], int(np.prod(shape)) * width.itemsize)
            arrays[name] = np.frombuffer(content, width).reshape(shape).astype(np.int64)
        logits = self.engine.session.run(["logits"], arrays)[0]
        changed = np.ascontiguousarray(self.engine.library.tamper(self.profile, logits.copy()), np.float32)
        ctypes.memmove(self.addresses["logits"], changed.ctypes.data, changed.nbytes)
        self.engine.library.used.append((self.profile, next(iter(self.shapes.values()))))
        return stream == STREAM


@dataclass(frozen=True)
class PaperBuilder:
    """Writes such engines, and runs them where there is a device.

    Attributes:
        library: Runs them.
        device: Where; None for nowhere.
    """

    library: Library
    device: Device | None

    @property
    def version(self) -> str:
        """The library's name and version."""
        return "Paper 1.0"

    def build(self, onnx: bytes, profiles: Sequence[Profile], name: str) -> bytes:
        """Put the graph behind its profiles."""
        shapes = [[each.smallest, each.typical, each.largest] for each in profiles]
        return json.dumps(shapes).encode() + b"\n" + onnx

    def runner(self) -> Runner | NotRun:
        """Look for the device."""
        return find_runner(self.library, lambda capability: capability == "8.9", lambda: self.device)
