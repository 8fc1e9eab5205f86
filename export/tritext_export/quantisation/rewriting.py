"""The graph in int8: dense layers, each with its scheme and weights, rewritten to operators that ONNX Runtime fuses.

A layer becomes ``QuantizeLinear`` and ``MatMulIntegerToFloat``, which multiplies in int8 and scales the columns in one
kernel::

    static      x ─ (÷ divisor) ─ QuantizeLinear ─ MatMulIntegerToFloat(+ bias)
    per token   x ─ (÷ divisor) ─ × 127 / max|x| ─ QuantizeLinear ─ MatMulIntegerToFloat ─ × max|x| / 127 ─ + bias

Layers that read the same value, as query, key and value do, share everything up to the ``QuantizeLinear``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from tritext_export.edits.values import add_constant, insert_before
from tritext_export.quantisation.dense import Dense
from tritext_export.quantisation.schemes import HALF, STEPS, TINY, ZERO, PerToken, Scheme, Static
from tritext_export.quantisation.weights import FloatArray, Int8Weights

MICROSOFT = "com.microsoft"


@dataclass(frozen=True)
class _Quantised:
    """An input in int8.

    Attributes:
        steps: UINT8 [..., inputs].
        scale: What a step is worth: a constant, or one for all where ``row_scale`` says the rest.
        zero_point: UINT8, the step that stands for zero.
        row_scale: FP32 [..., 1], a scale a token; None for a static scheme.
        floor: What was subtracted before rounding.
    """

    steps: ir.Value
    scale: ir.Value
    zero_point: ir.Value
    row_scale: ir.Value | None
    floor: float


def rewrite(model: ir.Model, group: Sequence[Dense], scheme: Scheme, weights: Sequence[Int8Weights]) -> None:
    """Run a group of dense layers that share their input on int8.

    Args:
        model: Changed in place.
        group: The layers, in the order in which they run.
        scheme: How their input is quantised.
        weights: Of each layer, its divisor already multiplied in.
    """
    quantised = _quantise(model.graph, group[0], scheme)
    for dense, int8 in zip(group, weights, strict=True):
        _multiply(model.graph, dense, int8, quantised)
    model.graph.opset_imports[MICROSOFT] = 1


def _quantise(graph: ir.Graph, dense: Dense, scheme: Scheme) -> _Quantised:
    anchor, value = dense.node, dense.input
    if scheme.divisor is not None:
        factor = add_constant(graph, f"{dense.name}/inverse_divisor", (1 / scheme.divisor).astype(np.float32))
        value = insert_before(anchor, "Mul", [value, factor])
    if isinstance(scheme, Static):
        scale, zero_point = _number(graph, scheme.scale), _step(graph, scheme.zero_point)
        steps = insert_before(anchor, "QuantizeLinear", [value, scale, zero_point])
        return _Quantised(steps, scale, zero_point, None, 0.0)
    return _quantise_tokens(graph, anchor, value, scheme)


def _quantise_tokens(graph: ir.Graph, anchor: ir.Node, value: ir.Value, scheme: PerToken) -> _Quantised:
    """Each token by its own largest value; the tiny number keeps a token of zeros from dividing by zero."""
    axes = {"axes": [-1], "keepdims": 1}
    floor, zero_point, steps = 0.0, _step(graph, ZERO), HALF
    if scheme.floor is None:
        lowest = insert_before(anchor, "Neg", [insert_before(anchor, "ReduceMin", [value], axes)])
        highest = insert_before(anchor, "ReduceMax", [value], axes)
        largest = insert_before(anchor, "Max", [highest, lowest, _number(graph, TINY)])
    else:
        floor, zero_point, steps = scheme.floor, _step(graph, 0), STEPS
        value = insert_before(anchor, "Sub", [value, _number(graph, floor)])
        highest = insert_before(anchor, "ReduceMax", [value], axes)
        largest = insert_before(anchor, "Max", [highest, _number(graph, TINY)])
    inverse = insert_before(anchor, "Div", [_number(graph, steps), largest])
    row_scale = insert_before(anchor, "Mul", [largest, _number(graph, 1 / steps)])
    one = _number(graph, 1.0)
    scaled = insert_before(anchor, "Mul", [value, inverse])
    return _Quantised(
        insert_before(anchor, "QuantizeLinear", [scaled, one, zero_point]), one, zero_point, row_scale, floor
    )


def _multiply(graph: ir.Graph, dense: Dense, int8: Int8Weights, quantised: _Quantised) -> None:
    """Replace one layer, bias and all."""
    follower = dense.bias
    last, bias = follower if follower else (dense.node, None)
    bias = _bias(bias, int8, quantised.floor)
    anchor = dense.node
    values = add_constant(graph, f"{dense.name}/int8", int8.values)
    scale = add_constant(graph, f"{dense.name}/scale", int8.scale)
    inputs: list[ir.Value | None] = [quantised.steps, values, quantised.scale, scale, quantised.zero_point, None]
    vector = None if bias is None else add_constant(graph, f"{dense.name}/bias", bias)
    if quantised.row_scale is None:
        result = insert_before(anchor, "MatMulIntegerToFloat", [*inputs, vector], domain=MICROSOFT)
    else:
        product = insert_before(anchor, "MatMulIntegerToFloat", inputs, domain=MICROSOFT)
        result = insert_before(anchor, "Mul", [product, quantised.row_scale])
        if vector is not None:
            result = insert_before(anchor, "Add", [result, vector])
    last.outputs[0].replace_all_uses_with(result, replace_graph_outputs=True)


def _bias(bias: FloatArray | None, int8: Int8Weights, floor: float) -> FloatArray | None:
    """Add what the subtracted floor would have contributed."""
    if not floor:
        return bias
    share = floor * int8.dequantise().sum(axis=0, dtype=np.float64)
    result: FloatArray = (share if bias is None else share + bias).astype(np.float32)
    return result


def _number(graph: ir.Graph, number: float) -> ir.Value:
    return add_constant(graph, f"number/{number:g}", np.array(number, np.float32))


def _step(graph: ir.Graph, step: int) -> ir.Value:
    return add_constant(graph, f"step/{step}", np.array(step, np.uint8))
