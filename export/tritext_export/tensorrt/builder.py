"""What builds engines: the seam between this package and NVIDIA's two libraries."""

from collections.abc import Sequence
from typing import Protocol

from tritext_export.tensorrt.profiles import Profile
from tritext_export.tensorrt.runner import NotRun, Runner


class Builder(Protocol):
    """One of NVIDIA's two libraries."""

    @property
    def version(self) -> str:
        """The library's name and version; an engine runs with no other."""

    def build(self, onnx: bytes, profiles: Sequence[Profile], name: str) -> bytes:
        """Build an engine.

        Args:
            onnx: A serialised model whose types are what the engine is to compute in, weights inside. Its inputs are
                all INT64 [texts, tokens].
            profiles: Shapes that the engine must take.
            name: What the engine calls itself, 128 characters at most.

        Returns:
            The serialised engine.

        Raises:
            EngineError: the library is missing, or refuses the graph; the message names the node.
        """

    def runner(self) -> Runner | NotRun:
        """Look for a GPU here that runs what ``build`` gives.

        Raises:
            EngineError: there is one, and it does not answer.
        """
