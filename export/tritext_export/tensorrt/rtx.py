"""TensorRT for RTX from its PyPI wheels: builds ahead of time on any x86-64 Linux, with or without a GPU.

Its engines run with the same version of TensorRT for RTX on GeForce, RTX and other GPUs from compute capability 8.0 on,
H100 and B200 not among them, and not in Triton's tensorrt backend: there, see ``datacentre``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tritext_export.errors import EngineError
from tritext_export.tensorrt.network import build_engine
from tritext_export.tensorrt.profiles import Profile
from tritext_export.tensorrt.runner import NotRun, Runner, find_runner

try:
    import tensorrt_rtx_bindings as library
except ImportError as missing:
    raise EngineError(f"{missing}: install it with `pip install 'tritext[tensorrt]'`") from missing

# Built for only where it is named: it has no fp32 matrix product, and an engine for all takes the newer ones.
_TURING = "7.5"


@dataclass(frozen=True, slots=True)
class RtxBuilder:
    """Builds for RTX GPUs.

    Attributes:
        capabilities: Compute capabilities to build for, such as ``8.6``; none for all from 8.0 on, as one engine.
    """

    capabilities: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what the library does not know before anything is asked or built."""
        for word in self.capabilities:
            _capability(word)

    @property
    def version(self) -> str:
        """The library's name and version."""
        return f"TensorRT for RTX {library.__version__}"

    def build(self, onnx: bytes, profiles: Sequence[Profile], name: str) -> bytes:
        """Build an engine; see ``Builder``."""
        return build_engine(library, onnx, profiles, name, self._configure)

    def runner(self) -> Runner | NotRun:
        """Look for a GPU of a kind that the engine is for."""
        return find_runner(library, self.serves)

    def serves(self, capability: str) -> bool:
        """Tell whether an engine that is built here runs on GPUs of a compute capability."""
        return capability in (self.capabilities or [each for each in _known() if each != _TURING])

    def _configure(self, config: Any) -> None:
        chosen = [_capability(word) for word in self.capabilities]
        if not chosen:
            return
        config.num_compute_capabilities = len(chosen)
        for place, capability in enumerate(chosen):
            if not config.set_compute_capability(capability, place):
                raise EngineError(f"compute capability {self.capabilities[place]}: {self.version} does not take it")


def _known() -> dict[str, Any]:
    """Name every compute capability that the library builds for."""
    members = library.ComputeCapability.__members__
    return {f"{name[2:-1]}.{name[-1]}": value for name, value in members.items() if name.startswith("SM")}


def _capability(word: str) -> Any:
    known = _known()
    if word not in known:
        raise EngineError(f"compute capability {word!r}: TensorRT for RTX builds for {', '.join(known)}")
    return known[word]
