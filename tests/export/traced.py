"""Traced graphs of small encoders and the means to compare them: a family in, its graph, batches and logits out."""

import functools
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx_ir as ir
import onnxruntime as ort

from tests.families import make_family
from tritext_export import checkpoint
from tritext_export.encoding import INPUTS
from tritext_export.graph import export_onnx
from tritext_export.sources import resolve

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]
Batch = dict[str, IntArray]
# Large enough for the quantiser to care, see dense.SMALLEST.
WIDE: dict[str, Any] = {"hidden_size": 64, "intermediate_size": 128}


def trace(family: str, labels: tuple[str, ...] = ("negative", "positive"), **config: Any) -> ir.Model:
    """Give a fresh copy of the graph that optimum traces of a small model."""
    model: ir.Model = ir.from_proto(_traced(family, labels, tuple(sorted(config.items()))))
    return model


@functools.cache
def _traced(family: str, labels: tuple[str, ...], config: tuple[tuple[str, Any], ...]) -> onnx.ModelProto:
    with tempfile.TemporaryDirectory() as folder:
        source = make_family(family, Path(folder, "checkpoint"), labels, **dict(config))
        loaded = checkpoint.load(resolve(str(source)))
        return onnx.load(export_onnx(loaded, Path(folder), 17))


def copied(model: ir.Model) -> ir.Model:
    """Give a copy that shares nothing with the original."""
    copy: ir.Model = ir.from_proto(ir.to_proto(model))
    return copy


def run(model: ir.Model, batch: dict[str, npt.NDArray[Any]], outputs: tuple[str, ...] = ("logits",)) -> FloatArray:
    """Run a graph as the published configuration asks for, and give its first output."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(ir.to_proto(model).SerializeToString(), options, providers=["CPUExecutionProvider"])
    result: FloatArray = session.run(list(outputs), {i.name: batch[i.name] for i in session.get_inputs()})[0]
    return result


def texts(lengths: list[int], pad: int = 1, vocabulary: int = 40, seed: int = 0) -> Batch:
    """Random tokens of the given lengths, padded to the longest."""
    chance = np.random.default_rng(seed)
    mask = (np.arange(max(lengths)) < np.array(lengths)[:, None]).astype(np.int64)
    ids = np.where(mask == 1, chance.integers(5, vocabulary, mask.shape), pad)
    return dict(zip(INPUTS, (ids, mask, np.zeros_like(ids)), strict=True))


def mixed_batches() -> dict[str, Batch]:
    """Batches of all shapes: a token, a row, a full grid, padded rows, the longest, and a mask that no text has."""
    holes = texts([17] * 5, seed=3)
    holes["attention_mask"] = np.random.default_rng(4).integers(0, 2, (5, 17))
    return {
        "1×1": texts([1]),
        "1×9": texts([9]),
        "7×23": texts([23] * 7),
        "padded": texts([3, 31, 1, 12]),
        "longest": texts([64, 2]),
        "holes": holes,
    }
