"""A graph of nothing but dense layers: weights and a scheme in, the graph in fp32 and in int8 out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from tests.export.traced import copied
from tritext_export.edits.pipeline import tidy
from tritext_export.edits.values import add_constant
from tritext_export.quantisation.dense import Dense, find_dense
from tritext_export.quantisation.rewriting import MICROSOFT, rewrite
from tritext_export.quantisation.schemes import Scheme
from tritext_export.quantisation.weights import Int8Weights

FloatArray = npt.NDArray[np.float32]


def rows(seed: int, *shape: int, outliers: bool = True) -> FloatArray:
    """Random numbers, some channels of which stand out as in real encoders."""
    chance = np.random.default_rng(seed)
    values = chance.normal(size=shape)
    if outliers:
        values *= chance.lognormal(sigma=1, size=shape[-1])
    return values.astype(np.float32)


def named(node: ir.Node, name: str) -> ir.Value:
    """Name a node and its output."""
    node.name = node.outputs[0].name = name
    return node.outputs[0]


@dataclass(frozen=True)
class Layers:
    """Dense layers that read one value, which may come out of an activation function.

    Attributes:
        weights: FP32 [inputs, outputs] of each.
        biases: FP32 [outputs] of each, or None.
        activation: An operator in front of them, or none.
    """

    weights: Sequence[FloatArray]
    biases: Sequence[FloatArray | None]
    activation: str | None = None

    def model(self) -> ir.Model:
        """The graph: ``x`` FP32 [texts, tokens, inputs] to ``logits``, the layers' outputs side by side."""
        x = ir.val("x", ir.DataType.FLOAT, ("texts", "tokens", self.weights[0].shape[0]))
        graph = ir.Graph([x], [], nodes=[], opset_imports={"": 17, MICROSOFT: 1}, name="layers")
        read = x
        if self.activation:
            graph.append(node := ir.node(self.activation, [x], domain=MICROSOFT if self.activation == "Gelu" else ""))
            read = named(node, "activated")
        outputs = [self._layer(graph, read, number) for number in range(len(self.weights))]
        graph.append(node := ir.node("Concat", outputs, {"axis": -1}))
        logits = named(node, "logits")
        logits.type = ir.TensorType(ir.DataType.FLOAT)
        graph.outputs.append(logits)
        return ir.Model(graph, ir_version=8)

    def _layer(self, graph: ir.Graph, read: ir.Value, number: int) -> ir.Value:
        weights = add_constant(graph, f"weights_{number}", self.weights[number])
        graph.append(node := ir.node("MatMul", [read, weights]))
        product = named(node, f"product_{number}")
        bias = self.biases[number]
        if bias is None:
            return product
        graph.append(node := ir.node("Add", [product, add_constant(graph, f"bias_{number}", bias)]))
        return named(node, f"sum_{number}")

    def quantised(self, scheme: Scheme, int8: Sequence[Int8Weights]) -> ir.Model:
        """The same on int8."""
        model = copied(self.model())
        rewrite(model, dense_of(model), scheme, int8)
        tidy(model)
        return model

    def expected(self, activated: FloatArray, scheme: Scheme, int8: Sequence[Int8Weights]) -> FloatArray:
        """What numpy says that the int8 graph gives for the layers' own input."""
        flat = activated.reshape(-1, activated.shape[-1])
        divided = flat if scheme.divisor is None else flat / scheme.divisor
        rounded = scheme.apply(divided)
        outputs: list[npt.NDArray[Any]] = [rounded @ each.dequantise() for each in int8]
        biased = [o if b is None else o + b for o, b in zip(outputs, self.biases, strict=True)]
        result: FloatArray = np.concatenate(biased, axis=1).reshape(*activated.shape[:-1], -1)
        return result


def dense_of(model: ir.Model) -> list[Dense]:
    """Give a graph's dense layers."""
    return list(find_dense(model))
