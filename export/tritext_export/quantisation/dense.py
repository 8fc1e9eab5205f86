"""The dense layers of a graph: where a value is multiplied by weights that the file holds. Imports onnx_ir."""

from collections.abc import Iterator
from dataclasses import dataclass

import onnx_ir as ir

from tritext_export.edits.values import Array, constant, only_consumer

# A smaller matrix costs nothing: the head of a classifier.
SMALLEST = 64


@dataclass(frozen=True)
class Dense:
    """One product with constant weights.

    Attributes:
        name: Name of the node.
        node: The ``MatMul``.
        weights: FP32 [inputs, outputs].
    """

    name: str
    node: ir.Node
    weights: Array

    @property
    def input(self) -> ir.Value:
        """What is multiplied."""
        value = self.node.inputs[0]
        if value is None:
            raise ValueError(f"{self.name} has no input")
        return value

    @property
    def bias(self) -> tuple[ir.Node, Array] | None:
        """The addition of a constant vector that follows, and the vector."""
        follower = only_consumer(self.node.outputs[0])
        if follower is None or follower.op_type != "Add":
            return None
        for value in follower.inputs:
            array = constant(value)
            if array is not None and array.shape == self.weights.shape[1:]:
                return follower, array
        return None


def find_dense(model: ir.Model) -> Iterator[Dense]:
    """Give the products worth quantising, in the order in which they run."""
    for node in model.graph:
        if node.op_type != "MatMul" or node.domain not in ("", "ai.onnx"):
            continue
        if any(value.is_graph_output() for value in node.outputs):  # its name is the contract's
            continue
        weights = constant(node.inputs[1])
        if weights is not None and weights.ndim == 2 and min(weights.shape) >= SMALLEST and weights.dtype == "float32":
            yield Dense(str(node.name), node, weights)
