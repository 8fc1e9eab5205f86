"""What was tried on the way to a version: one candidate graph, how it compared and what it cost. Plain data."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Trial:
    """One candidate, measured.

    Attributes:
        name: What it is called in tables, such as ``int8``.
        precision: Of the weights: fp32, fp16 or int8.
        edits: The graph edits it carries.
        bytes: Size of its ONNX file.
        milliseconds: CPU time, or time on a GPU, of one text at the texts' own lengths; None where it was not
            measured, as for a GPU that is not there.
        accuracy: Share of texts with the true label; None for regression.
        agreement: Share of texts with the checkpoint's label; None for regression.
        unstable: Texts whose label changes with the batch they stand in.
        passed: Whether its certificate holds the limits.
        reason: Why it did not; empty where it did.
        chosen: Whether it is the one that was published.
    """

    name: str
    precision: str
    edits: tuple[str, ...]
    bytes: int
    milliseconds: float | None
    accuracy: float | None
    agreement: float | None
    unstable: int
    passed: bool
    reason: str = ""
    chosen: bool = False

    def to_json(self) -> dict[str, Any]:
        """Give the trial as JSON's own types."""
        return {field: getattr(self, field) for field in self.__slots__}
