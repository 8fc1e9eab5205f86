"""TensorRT as in the Triton image: builds Triton's ``model.plan`` on the GPU that will run it.

Written against the documented Python API of TensorRT 10 and 11. It has not run where this was written, where neither
the image nor a GPU could be had; all but the configuration below is ``network``, which tests run with TensorRT for RTX,
and ``runner``, which they run on a device of their own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tritext_export.errors import EngineError
from tritext_export.tensorrt.network import build_engine
from tritext_export.tensorrt.profiles import Profile
from tritext_export.tensorrt.runner import NotRun, Runner, find_runner

try:
    import tensorrt as library
except ImportError as missing:
    raise EngineError(
        f"{missing}: build a model.plan in the Triton image (docs/tensorrt.md), or take --builder rtx"
    ) from missing

_MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class DatacentreBuilder:
    """Builds for the GPU at hand.

    Attributes:
        workspace: Most scratch memory that a kernel may want, in MiB.
    """

    workspace: int = 4096

    @property
    def version(self) -> str:
        """The library's name and version."""
        return f"TensorRT {library.__version__}"

    def build(self, onnx: bytes, profiles: Sequence[Profile], name: str) -> bytes:
        """Build an engine; see ``Builder``."""
        return build_engine(library, onnx, profiles, name, self._configure)

    def runner(self) -> Runner | NotRun:
        """Look for the GPU, which has built the engine and so runs it."""
        return find_runner(library, lambda capability: True)

    def _configure(self, config: Any) -> None:
        config.set_memory_pool_limit(library.MemoryPoolType.WORKSPACE, self.workspace * _MEBIBYTE)
