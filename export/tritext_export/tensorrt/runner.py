"""Runs engines: the seam beside ``Builder``, and the one implementation that both of NVIDIA's libraries share.

::

    builder ──► engine ──► Runner.load ──► LoadedEngine.logits ──► proof, timing
                               │ one context, memory that grows, one stream
                             Device

As in ``network``, the library is handed in; what only one of them knows is whether it serves the GPU at hand.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np

from tritext_export.certificate import FloatArray
from tritext_export.encoding import IntArray
from tritext_export.errors import EngineError
from tritext_export.tensorrt.device import Device, find_device
from tritext_export.tensorrt.network import last_message, log_of
from tritext_export.tensorrt.profiles import Profile, Shape

OUTPUT = "logits"


class Runner(Protocol):
    """Runs what a builder of the same library has built."""

    @property
    def device(self) -> str:
        """What it runs on, for people."""

    def load(self, engine: bytes) -> "LoadedEngine":
        """Take an engine to the device.

        Raises:
            EngineError: the library or the device does not take it.
        """


@dataclass(frozen=True, slots=True)
class NotRun:
    """No engine can be run here.

    Attributes:
        reason: Why.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class EngineRunner:
    """Runs engines of one library on one device.

    Attributes:
        library: The imported ``tensorrt`` or ``tensorrt_rtx`` module.
        gpu: Where.
    """

    library: Any
    gpu: Device

    @property
    def device(self) -> str:
        """Name and compute capability."""
        return f"{self.gpu.name} (compute capability {self.gpu.capability})"

    def load(self, engine: bytes) -> "LoadedEngine":
        """Take an engine to the device; see ``Runner``."""
        log = log_of(self.library)
        log.messages.clear()
        runtime = self.library.Runtime(log)
        loaded = runtime.deserialize_cuda_engine(engine)
        if loaded is None:
            raise EngineError(f"{self.device} does not take the engine: {last_message(log)}")
        return LoadedEngine(self.library, self.gpu, runtime, loaded)


def find_runner(
    library: Any, serves: Callable[[str], bool], find: Callable[[], Device | None] = find_device
) -> Runner | NotRun:
    """Look for a GPU that can run what a library builds.

    Args:
        library: The imported module.
        serves: Whether the engines are for a compute capability.
        find: Asks the driver.
    """
    device = find()
    if device is None:
        return NotRun("no NVIDIA GPU answers on this machine")
    if not serves(device.capability):
        return NotRun(f"the engine is not for {device.name}, of compute capability {device.capability}")
    return EngineRunner(library, device)


class LoadedEngine:
    """An engine on its device, with the memory that its tensors need; leave it, and the memory is given back.

    Attributes:
        inputs: What it reads.
        profiles: The shapes it takes, as the engine itself says.
        used: Numbers of the profiles that have run.
    """

    def __init__(self, library: Any, device: Device, runtime: Any, engine: Any) -> None:
        # The runtime is asked nothing more, and must not go before its engine does.
        self._library, self._device, self._runtime, self._engine = library, device, runtime, engine
        names = [engine.get_tensor_name(place) for place in range(engine.num_io_tensors)]
        modes = {name: engine.get_tensor_mode(name) for name in names}
        self.inputs = tuple(name for name in names if modes[name] == library.TensorIOMode.INPUT)
        if [name for name in names if name not in self.inputs] != [OUTPUT]:
            raise EngineError(f"the engine has {', '.join(names)}: {OUTPUT} must be its only output")
        if engine.get_tensor_dtype(OUTPUT) != library.float32:
            raise EngineError(f"the engine gives {OUTPUT} as {engine.get_tensor_dtype(OUTPUT)}, not in fp32")
        self._widths = {name: self._width(name) for name in self.inputs}
        self.profiles = tuple(self._profile(place) for place in range(engine.num_optimization_profiles))
        self.used: set[int] = set()
        self._context: Any = None
        self._chosen = -1
        self._memory: dict[str, tuple[int, int]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for address, _ in self._memory.values():
            # After a fault of the device freeing fails too, and would hide the reason.
            with contextlib.suppress(EngineError) if kind else contextlib.nullcontext():
                self._device.free(address)
        self._memory.clear()
        self._context = None

    def covering(self, shape: Shape) -> tuple[int, ...]:
        """Number the profiles that take a shape: the first one, which Triton uses unless told, and the narrowest.

        Raises:
            EngineError: none does.
        """
        fitting = [place for place, profile in enumerate(self.profiles) if profile.covers(shape)]
        if not fitting:
            raise EngineError(f"no profile of the engine takes {shape[0]} texts of {shape[1]} tokens")
        narrowest = min(fitting, key=lambda place: np.prod(self.profiles[place].largest, dtype=np.int64))
        return tuple(dict.fromkeys((fitting[0], narrowest)))

    def logits(self, batch: Mapping[str, IntArray], profile: int = 0) -> FloatArray:
        """Run one padded batch.

        Args:
            batch: Every input, INT64 [texts, tokens]; what the engine does not read is left out.
            profile: The number of the profile to run with.

        Returns:
            FP32 [texts, labels].

        Raises:
            EngineError: the engine does not take the shape, or the device fails.
        """
        context = self._prepared(profile)
        for name in self.inputs:
            array = np.ascontiguousarray(batch[name], self._widths[name])
            if not context.set_input_shape(name, array.shape):
                raise EngineError(f"the engine does not take {name} of {array.shape} in profile {profile}: {self._why}")
            address = self._room(name, array.nbytes)
            self._device.write(address, array)
            self._name_memory(context, name, address)
        logits: FloatArray = np.empty(self._output_shape(context), np.float32)
        address = self._room(OUTPUT, logits.nbytes)
        self._name_memory(context, OUTPUT, address)
        if not context.execute_async_v3(self._device.stream):
            raise EngineError(f"the engine does not run: {self._why}")
        self._device.read(address, logits)
        self.used.add(profile)
        return logits

    @property
    def _why(self) -> str:
        return last_message(log_of(self._library))

    def _prepared(self, profile: int) -> Any:
        """Give the one context, set to a profile: two would want the memory of the largest shape each."""
        if self._context is None:
            self._context = self._engine.create_execution_context()
        if self._context is None:
            raise EngineError(f"the device has no room for the engine: {self._why}")
        if profile != self._chosen:
            if not self._context.set_optimization_profile_async(profile, self._device.stream):
                raise EngineError(f"the engine does not take profile {profile}: {self._why}")
            self._chosen = profile
        return self._context

    def _name_memory(self, context: Any, name: str, address: int) -> None:
        if not context.set_tensor_address(name, address):
            raise EngineError(f"the engine does not take the memory for {name}: {self._why}")

    def _room(self, name: str, size: int) -> int:
        """Give the address of a tensor's memory, which grows when it must."""
        address, there = self._memory.get(name, (0, 0))
        if there < size:
            if there:
                self._device.free(self._memory.pop(name)[0])
            address = self._device.allocate(size)
            self._memory[name] = (address, size)
        return address

    def _output_shape(self, context: Any) -> tuple[int, ...]:
        shape = tuple(context.get_tensor_shape(OUTPUT))
        if len(shape) != 2 or min(shape) < 1:
            raise EngineError(f"the engine gives {OUTPUT} of {shape}, not one row a text: {self._why}")
        return shape

    def _width(self, name: str) -> type[np.int64 | np.int32]:
        kinds: Sequence[tuple[Any, type[np.int64 | np.int32]]] = (
            (self._library.int64, np.int64),
            (self._library.int32, np.int32),
        )
        for kind, width in kinds:
            if self._engine.get_tensor_dtype(name) == kind:
                return width
        raise EngineError(f"the engine reads {name} as {self._engine.get_tensor_dtype(name)}, not as whole numbers")

    def _profile(self, place: int) -> Profile:
        shapes = [tuple(shape) for shape in self._engine.get_tensor_profile_shape(self.inputs[0], place)]
        smallest, typical, largest = ((shape[0], shape[1]) for shape in shapes)
        return Profile(smallest, typical, largest)
