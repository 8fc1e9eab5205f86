"""Which nodes of an fp32 graph may compute in fp16: a graph in, node positions out. Pure.

A node goes to fp16 if activations flow into it: what an embedding or a dense layer made. All else (positions, rotary
angles, masks, the scale of the attention) is made of ids and constants, costs nothing, and would lose by rounding. Of
the nodes that activations reach, these stay in fp32:

* normalisations, as one operator or spelt out (ReduceMean, Sub, Pow, Sqrt, Div): their squares overflow fp16
* other sums over many values, powers and roots
* a node with a weight that fp16 cannot hold
* the node that makes an output, so that logits are not rounded
* a branch, which is left as it is, and what it reads
"""

from collections.abc import Sequence
from dataclasses import dataclass

from onnx import GraphProto, NodeProto, TensorProto

from tritext_export.errors import EngineError

Types = dict[str, int]

_LOOPS = frozenset({"Loop", "Scan", "SequenceMap"})
_QUANTISED = ("QuantizeLinear", "QuantizeMatMul", "MatMulInteger", "MatMulNBits", "QAttention", "QGemm", "QLinear")
_BOOLEAN = frozenset(
    {"And", "Equal", "Greater", "GreaterOrEqual", "IsInf", "IsNaN", "Less", "LessOrEqual", "Not", "Or", "Xor"}
)
_INTEGER = frozenset({"ArgMax", "ArgMin", "NonZero", "Shape", "Size"})
# Where an output has the type of an input other than the first.
_TYPED_BY = {"Where": 1, "OneHot": 2, "CastLike": 1}

_REDUCTIONS = frozenset({"ReduceMean", "ReduceSum", "ReduceSumSquare", "ReduceL1", "ReduceL2", "ReduceProd"})
_WIDE = _REDUCTIONS | {"CumSum", "If", "Pow", "Range", "Reciprocal", "Sqrt"}
_ELEMENTWISE = frozenset({"Abs", "Add", "Cast", "Clip", "Div", "Max", "Mul", "Pow", "Reciprocal", "Sqrt", "Sub"})


@dataclass(frozen=True, slots=True)
class Plan:
    """How a graph is to be divided.

    Attributes:
        types: ONNX element type of every tensor of the fp32 graph.
        half: Positions of the nodes that compute in fp16.
    """

    types: Types
    half: frozenset[int]


def plan_half(graph: GraphProto, unfit: frozenset[str]) -> Plan:
    """Divide a graph.

    Args:
        graph: In topological order, its float constants lifted to initializers.
        unfit: Names of the initializers that fp16 cannot hold.

    Raises:
        EngineError: the graph is quantised or has loops; the message names the node.
    """
    types = element_types(graph)
    exact = {output.name for output in graph.output}.union(*map(captured, graph.node))
    wide = _normalisations(graph.node, {tensor.name for tensor in graph.initializer})
    for position, node in enumerate(graph.node):
        if _is_wide(node) or unfit & set(node.input) or exact & set(node.output):
            wide.add(position)
    return Plan(types, frozenset(_reached(graph, types) - wide))


def captured(node: NodeProto) -> set[str]:
    """Name what a branch reads from the graph around it, beside some names of its own."""
    return {name for attribute in node.attribute for inner in attribute.g.node for name in inner.input}.union(
        *(captured(inner) for attribute in node.attribute for inner in attribute.g.node)
    )


def element_types(graph: GraphProto) -> Types:
    """Find the element type of every tensor.

    Own rules and not ``onnx.shape_inference``: that stops at 2 GB and at ONNX Runtime's fused operators.

    Raises:
        EngineError: a node is quantised or a loop.
    """
    types: Types = {tensor.name: tensor.data_type for tensor in graph.initializer}
    types |= {value.name: value.type.tensor_type.elem_type for value in graph.input}
    for node in graph.node:
        if node.op_type in _LOOPS:
            raise EngineError(f"node {node.name!r} ({node.op_type}): a graph with loops cannot be turned to fp16")
        if any(part in node.op_type for part in _QUANTISED):
            raise EngineError(
                f"node {node.name!r} ({node.op_type}): the graph is quantised: start from the fp32 export"
            )
        made = _output_type(node, types)
        types |= dict.fromkeys(filter(None, node.output), made)
    return types


def _output_type(node: NodeProto, types: Types) -> int:
    if node.op_type in _BOOLEAN:
        return int(TensorProto.BOOL)
    if node.op_type in _INTEGER:
        return int(TensorProto.INT64)
    stated = _stated_type(node)
    place = _TYPED_BY.get(node.op_type, 0)
    if stated is None and len(node.input) > place:
        stated = types.get(node.input[place])
    return int(TensorProto.INT64) if stated is None else stated


def _stated_type(node: NodeProto) -> int | None:
    """Read an output's type where the node itself says it."""
    for attribute in node.attribute:
        if node.op_type == "Cast" and attribute.name == "to":
            return int(attribute.i)
        if node.op_type in ("Constant", "ConstantOfShape") and attribute.name == "value":
            return int(attribute.t.data_type)
        if node.op_type == "If":
            return int(attribute.g.output[0].type.tensor_type.elem_type)
    return int(TensorProto.FLOAT) if node.op_type in ("ConstantOfShape", "EmbedLayerNormalization") else None


def _is_wide(node: NodeProto) -> bool:
    kind: str = node.op_type
    return kind in _WIDE or "Normalization" in kind


def _reached(graph: GraphProto, types: Types) -> set[int]:
    """Follow activations through float tensors from where they begin.

    A shape read from an activation is no activation, and neither is what is computed from it.
    """
    ranks = {t.name: len(t.dims) for t in graph.initializer if t.data_type == TensorProto.FLOAT}
    reached: set[int] = set()
    carried: set[str] = set()
    for position, node in enumerate(graph.node):
        if _begins(node, ranks) or carried & captured(node).union(node.input):
            reached.add(position)
            carried.update(name for name in node.output if types.get(name) == TensorProto.FLOAT)
    return reached


def _begins(node: NodeProto, ranks: dict[str, int]) -> bool:
    """Tell an embedding or a dense layer by its table of weights."""
    if node.op_type == "Gather":
        return ranks.get(node.input[0], 0) >= 2
    if node.op_type in ("MatMul", "Gemm"):
        return any(ranks.get(name) == 2 for name in node.input[:2])
    return bool(node.op_type == "EmbedLayerNormalization")


def _normalisations(nodes: Sequence[NodeProto], constants: set[str]) -> set[int]:
    """Find normalisations that are spelt out: from a reduction to the division by its root, then scale and shift."""
    inside: set[int] = set()
    unfinished: set[str] = set()
    roots: set[str] = set()
    finished: set[str] = set()
    for position, node in enumerate(nodes):
        inputs, kind = set(node.input), node.op_type
        begun = kind in _REDUCTIONS or (kind in _ELEMENTWISE and bool(inputs & unfinished))
        tail = kind in ("Mul", "Add") and bool(inputs & finished) and bool(inputs & constants)
        if not begun and not tail:
            continue
        inside.add(position)
        divides = kind == "Div" or (kind == "Mul" and bool(inputs & roots))
        (finished if tail or divides else unfinished).update(node.output)
        if kind in ("Sqrt", "Reciprocal"):
            roots.update(node.output)
    return inside
