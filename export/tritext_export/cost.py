"""What a text costs: ONNX files and texts in, time a text out. Imports onnxruntime.

One thread, texts sorted by length as the front's planner sorts them, the files in turn batch by batch, so that
whatever else the machine does falls on all of them alike; CPU time, since wall time measures the neighbours. Where ONNX
Runtime has its CUDA provider, candidates for GPUs run there in large batches, and the clock on the wall counts.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from tritext_export.candidates import Target
from tritext_export.encoding import Encoded, IntArray, padded
from tritext_export.errors import first_line
from tritext_export.request import Progress

BATCH = 16
GPU_BATCH = 256
CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
ROUNDS = 3
# Enough for a mean within one or two per cent, and some seconds of work.
MOST_TEXTS = 480
RESAMPLES = 2000
BASIC, ALL = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC, ort.GraphOptimizationLevel.ORT_ENABLE_ALL
Batch = Mapping[str, IntArray]


@dataclass(frozen=True, slots=True)
class Ratio:
    """How often one cost goes into another.

    Attributes:
        value: The ratio of the sums over all batches.
        low: Lower end of its 95 % interval.
        high: Upper end.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Costs:
    """What every batch cost every session.

    Attributes:
        texts: In each batch, INT64 [batches].
        seconds: CPU time of each batch's fastest run, FP64 [batches], by the session's name.
    """

    texts: npt.NDArray[np.int64]
    seconds: Mapping[str, npt.NDArray[np.float64]]

    def milliseconds(self, name: str) -> float:
        """CPU milliseconds a text."""
        return 1e3 * float(self.seconds[name].sum()) / float(self.texts.sum())

    def ratio(self, name: str, other: str) -> Ratio:
        """How many times as much ``name`` costs as ``other``.

        Returns:
            The ratio with a bootstrap interval over batches; both are drawn together, since they ran in pairs.
        """
        one, two = self.seconds[name], self.seconds[other]
        drawn = np.random.default_rng(0).integers(0, len(one), (RESAMPLES, len(one)))
        low, high = np.percentile(one[drawn].sum(axis=1) / two[drawn].sum(axis=1), (2.5, 97.5))
        return Ratio(float(one.sum() / two.sum()), float(low), float(high))


def can_measure(target: Target) -> bool:
    """Tell whether this machine can run candidates for a target: a GPU needs ONNX Runtime's CUDA provider."""
    return target == "cpu" or CUDA in ort.get_available_providers()


def measure_cost(
    files: Mapping[str, Path], encoded: Sequence[Encoded], pad_token_id: int, progress: Progress, target: Target = "cpu"
) -> dict[str, float]:
    """Run every file on the same batches.

    Args:
        files: ONNX files by name.
        encoded: The texts, of the user's own length mix.
        pad_token_id: What fills a row up.
        progress: Where to tell how far it is.
        target: Where to run them.

    Returns:
        Milliseconds a text by name, of CPU time or by the clock on the wall: the mean over batches, each with its
        fastest round. Nothing where the GPU does not run them: a version is then chosen without.
    """
    if target == "gpu":
        return _measure_on_gpu(files, length_sorted(encoded, pad_token_id, GPU_BATCH, most=len(encoded)), progress)
    sessions = {name: open_session(path) for name, path in files.items()}
    costs = time_sessions(sessions, length_sorted(encoded, pad_token_id), progress)
    return {name: costs.milliseconds(name) for name in files}


def _measure_on_gpu(files: Mapping[str, Path], batches: Sequence[Batch], progress: Progress) -> dict[str, float]:
    """Time candidates where they are to run, and nowhere else."""
    try:
        sessions = {name: open_session(path, ALL, (CUDA, CPU)) for name, path in files.items()}
        if not all(CUDA in session.get_providers() for session in sessions.values()):
            # ONNX Runtime takes the CPU where a driver is missing, and there fp16 is the slower one.
            progress.step("not timed: ONNX Runtime's CUDA provider does not start here")
            return {}
        costs = time_sessions(sessions, batches, progress, clock=time.perf_counter)
    except Exception as error:  # ONNX Runtime's errors share no base class, and one is the GPU's memory being full
        progress.step(f"not timed: {first_line(error)}")
        return {}
    return {name: costs.milliseconds(name) for name in files}


def time_sessions(
    sessions: Mapping[str, ort.InferenceSession],
    batches: Sequence[Batch],
    progress: Progress,
    rounds: int = ROUNDS,
    turn: int = 1,
    clock: Callable[[], float] = time.thread_time,
) -> Costs:
    """Run sessions in turn on the same batches.

    Args:
        sessions: By name; each of one thread, which is the caller's own.
        batches: Inputs; each session is given those that it reads.
        progress: Where to tell how far it is.
        rounds: How often to go through all batches; the fastest run of each counts.
        turn: How many batches a session runs before the next one's turn. Small ones come in longer turns, or every
            run would begin by fetching the weights that the session before pushed out of the caches.
        clock: Gives seconds.
    """
    seconds = {name: np.full(len(batches), np.inf) for name in sessions}
    for _ in progress.track(range(rounds), rounds, "measuring"):
        for start in range(0, len(batches), turn):
            for name, session in sessions.items():
                for i in range(start, min(start + turn, len(batches))):
                    seconds[name][i] = min(seconds[name][i], _run(session, batches[i], clock))
    return Costs(np.array([len(batch["input_ids"]) for batch in batches]), seconds)


def length_sorted(
    encoded: Sequence[Encoded], pad_token_id: int, batch: int = BATCH, most: int = MOST_TEXTS
) -> list[dict[str, IntArray]]:
    """Cut a sample of the texts into batches of like length."""
    ordered = sorted(encoded, key=len)
    ordered = ordered[:: -(-len(ordered) // most)]
    return [padded(ordered[i : i + batch], pad_token_id) for i in range(0, len(ordered), batch)]


def open_session(
    path: Path, level: ort.GraphOptimizationLevel = BASIC, providers: Sequence[str] = (CPU,)
) -> ort.InferenceSession:
    """Load a model for one thread.

    Args:
        path: The ONNX file.
        level: What ONNX Runtime may change. By default what the published configuration asks for: the fusions that
            pay are in the file already.
        providers: Where it runs, by ONNX Runtime's names, the preferred one first.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.enable_mem_pattern = False
    options.log_severity_level = 3
    options.graph_optimization_level = level
    return ort.InferenceSession(str(path), options, providers=list(dict.fromkeys(providers)))


def feeds(session: ort.InferenceSession, batch: Batch) -> dict[str, npt.NDArray[np.integer]]:  # type: ignore[type-arg]
    """Choose what a session reads, in the width that it reads."""
    return {
        node.name: batch[node.name].astype(np.int32, copy=False) if "int32" in node.type else batch[node.name]
        for node in session.get_inputs()
    }


def _run(session: ort.InferenceSession, batch: Batch, clock: Callable[[], float]) -> float:
    inputs = feeds(session, batch)
    started = clock()
    session.run(["logits"], inputs)
    return clock() - started
