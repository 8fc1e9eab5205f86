"""What a text costs an engine: token ids in, milliseconds by the clock on the wall out, copies to and fro counted.

The same batches go to ONNX Runtime's CUDA provider, in turn, where it is installed.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tritext_export.certificate import FloatArray
from tritext_export.encoding import IntArray
from tritext_export.request import Progress
from tritext_export.tensorrt.proof import Questions
from tritext_export.tensorrt.runner import LoadedEngine

ENGINE, CUDA = "engine", "onnxruntime-cuda"


def measure_engine(questions: Questions, engine: LoadedEngine, progress: Progress) -> dict[str, float]:
    """Time an engine on full batches of texts of like length, with the profile that Triton uses.

    Args:
        questions: The texts, of the user's own length mix.
        engine: What to time; it is left open.
        progress: Where to tell how far it is.

    Returns:
        Milliseconds a text by ``ENGINE`` and, where it is there, ``CUDA``: the mean over batches, each with its
        fastest round.
    """
    from tritext_export import cost

    sessions: dict[str, Any] = {ENGINE: _Session(engine)}
    provider = _open_cuda(questions.source.model) if cost.can_measure("gpu") else None
    if provider is not None:
        sessions[CUDA] = provider
    texts = min(cost.GPU_BATCH, engine.profiles[0].largest[0])
    batches = cost.length_sorted(questions.encoded, questions.pad, texts, most=len(questions.encoded))
    costs = cost.time_sessions(sessions, batches, progress, clock=time.perf_counter)
    return {name: costs.milliseconds(name) for name in sessions}


def _open_cuda(model: Path) -> Any:
    """Load the graph on the GPU; nothing where ONNX Runtime cannot, or would quietly take the CPU instead."""
    from tritext_export import cost

    try:
        session = cost.open_session(model, cost.ALL, (cost.CUDA, cost.CPU))
    except Exception:  # ONNX Runtime's errors share no base class, and a timing keeps no engine back
        return None
    return session if cost.CUDA in session.get_providers() else None


@dataclass(frozen=True, slots=True)
class _Input:
    name: str
    type: str = "tensor(int64)"


@dataclass(frozen=True, slots=True)
class _Session:
    """An engine as ``cost`` knows ONNX Runtime's sessions."""

    engine: LoadedEngine

    def get_inputs(self) -> Sequence[_Input]:
        return [_Input(name) for name in self.engine.inputs]

    def run(self, outputs: Sequence[str], feeds: Mapping[str, IntArray]) -> list[FloatArray]:
        return [self.engine.logits(feeds)]
