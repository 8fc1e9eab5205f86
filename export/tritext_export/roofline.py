"""How far from the machine's limit: a graph in, the operations of a text out, and the rate that one core reaches.

What counts is the work that real tokens need: products of the dense layers and of attention, a multiplication and an
addition as two. Padding, LayerNorm and the rest take time and earn nothing. Imports onnxruntime.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
from onnx import TensorProto, helper

from tritext_export.edits.shapes import PROBES, Probe, probe
from tritext_export.errors import GraphError

PRODUCTS = frozenset({"MatMul", "Gemm", "FusedMatMul"})
# Rows, inputs and outputs of the products that a core's peak is measured with; the fastest counts.
PEAK_SHAPES = ((432, 384, 1536), (512, 1024, 1024), (1024, 1024, 1024))
PEAK_RUNS = 12


@dataclass(frozen=True, slots=True)
class Operations:
    """What a text takes, as a polynomial of its length.

    Attributes:
        fixed: Operations that do not follow the length: those of the first token alone.
        linear: Operations a token.
        square: Operations a pair of tokens.
    """

    fixed: float
    linear: float
    square: float

    def of(self, lengths: Sequence[int]) -> float:
        """Sum over texts of these lengths in tokens.

        Example:
            >>> Operations(1.0, 10.0, 100.0).of([1, 2])
            532.0
        """
        return sum(self.fixed + self.linear * n + self.square * n * n for n in lengths)


def count_operations(model: ir.Model) -> Operations:
    """Count the products of a graph in fp32.

    Args:
        model: With standard operators.

    Raises:
        GraphError: a product grows otherwise than with the number of texts and a power of their length.
    """
    probes = probe(model)
    by_power = [0.0, 0.0, 0.0]
    for node in model.graph:
        if node.op_type in PRODUCTS:
            inner, result = (probes.get(str(value.name)) for value in (node.inputs[0], node.outputs[0]) if value)
            if inner and result:
                power, operations = _of_product(str(node.name), inner, result)
                by_power[power] += operations
    return Operations(*by_power)


def _of_product(name: str, inner: Probe, result: Probe) -> tuple[int, float]:
    """The power of the length that a product follows, and its operations for one text of one token."""
    counts = [
        2.0 * float(np.prod(out)) * row[-1] for out, row in ((result.first, inner.first), (result.second, inner.second))
    ]
    for power in range(3):
        first, second = (count / (texts * tokens**power) for count, (texts, tokens) in zip(counts, PROBES, strict=True))
        if first == second:
            return power, first
    raise GraphError(
        f"{name}: its work follows neither the length of the texts nor its square: nothing to compare with"
    )


def measure_peak(runs: int = PEAK_RUNS) -> float:
    """Measure the int8 operations a second that one core reaches in ONNX Runtime's own product of matrices.

    Args:
        runs: Of each shape; the fastest counts.
    """
    best = 0.0
    for rows, inputs, outputs in PEAK_SHAPES:
        chance = np.random.default_rng(0)
        session = _product(chance.integers(-127, 128, (inputs, outputs), np.int8))
        steps = chance.integers(0, 256, (rows, inputs), np.uint8)
        for _ in range(runs):
            started = time.thread_time()
            session.run(None, {"steps": steps})
            best = max(best, 2.0 * rows * inputs * outputs / (time.thread_time() - started))
    return best


def _product(weights: np.ndarray) -> ort.InferenceSession:  # type: ignore[type-arg]  # INT8 [inputs, outputs]
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["steps", "weights"], ["sums"])],
        "peak",
        [helper.make_tensor_value_info("steps", TensorProto.UINT8, [None, weights.shape[0]])],
        [helper.make_tensor_value_info("sums", TensorProto.INT32, [None, weights.shape[1]])],
        [helper.make_tensor("weights", TensorProto.INT8, weights.shape, weights.tobytes(), raw=True)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
