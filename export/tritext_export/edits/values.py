"""Small questions and changes that every edit needs of a graph. Imports onnx_ir and numpy."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy.typing as npt
import onnx_ir as ir

Array = npt.NDArray[Any]


def constant(value: ir.Value | None) -> Array | None:
    """Read a value that the file itself holds; None for anything computed."""
    tensor = None if value is None else ir.convenience.get_const_tensor(value)
    return None if tensor is None else tensor.numpy()


def scalar(value: ir.Value | None) -> float | None:
    """Read a constant with a single element."""
    array = constant(value)
    return float(array.reshape(-1)[0]) if array is not None and array.size == 1 else None


def attribute(node: ir.Node, name: str, default: Any) -> Any:
    """Read an attribute in Python's own types."""
    found = node.attributes.get(name)
    return default if found is None else found.value


def add_constant(graph: ir.Graph, name: str, array: Array) -> ir.Value:
    """Put an array into the graph, under a name that nothing else has."""
    names = itertools.chain([name], (f"{name}_{n}" for n in itertools.count(len(graph.initializers))))
    unique = next(free for free in names if free not in graph.initializers)
    value = ir.Value(
        name=unique,
        const_value=ir.tensor(array, name=unique),
        shape=ir.Shape(array.shape),
        type=ir.TensorType(ir.DataType.from_numpy(array.dtype)),
    )
    graph.initializers[unique] = value
    return value


def insert_before(
    anchor: ir.Node,
    op_type: str,
    inputs: Sequence[ir.Value | None],
    attributes: Mapping[str, Any] | None = None,
    domain: str = "",
) -> ir.Value:
    """Put a node with one output in front of another.

    Returns:
        Its output, named after the node that it serves.
    """
    graph: ir.Graph = anchor.graph  # type: ignore[assignment]  # every node of a model stands in a graph
    node = ir.node(op_type, inputs, attributes or {}, domain=domain)
    base = anchor.outputs[0].name or anchor.op_type
    node.outputs[0].name = f"{base}/{op_type}_{len(graph)}"  # the same in every export of the same model
    node.name = node.outputs[0].name
    graph.insert_before(anchor, node)
    return node.outputs[0]


def only_consumer(value: ir.Value) -> ir.Node | None:
    """The one node that reads a value; None where several do, or where it leaves the graph."""
    nodes = value.consumers()
    return nodes[0] if len(nodes) == 1 and not value.is_graph_output() else None
