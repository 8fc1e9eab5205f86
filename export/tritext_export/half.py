"""An fp32 graph in, an fp16 graph for GPUs out. Inputs stay integers and ``logits`` stays FP32; imports onnx.

The types are written into the graph, as TensorRT's strongly typed networks and ONNX Runtime's CUDA provider want them:
``half_plan`` says which nodes compute in fp16, and casts are put in between. Masks are made finite: a -3.4e38 would
be -infinity in fp16, and a text with nothing but padding, or a sum of two masks, would then give NaN.

The converters that ship with ONNX Runtime and onnxconverter-common were tried first on eleven graphs of nine families:
the one gave two nodes of one name (7 of 11) or nodes out of order (4), the other graphs that do not load (11 of 11);
both round positions and relative buckets to fp16.
"""

import numpy as np
import numpy.typing as npt
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from tritext_export.errors import EngineError
from tritext_export.half_plan import Plan, captured, element_types, plan_half

# exp(-10000) is 0 in fp16 and fp32 alike, and ten of them still add up to a finite number.
MASKED = 1e4
LARGEST = float(np.finfo(np.float16).max)
_LARGEST_WEIGHT = 1e9  # beyond that a constant says "never", it is not a number somebody trained
# These read a tensor's shape or convert it themselves: whatever it is made of will do.
_INDIFFERENT = frozenset({"Shape", "Size"})
# These move values and round none.
_MOVES = frozenset(
    {"Concat", "Expand", "Flatten", "Gather", "GatherElements", "Identity", "Neg", "Reshape", "Slice", "Split"}
    | {"Squeeze", "Transpose", "Unsqueeze", "Where"}
)

_FLOAT, _HALF = int(TensorProto.FLOAT), int(TensorProto.FLOAT16)


def to_half(model: ModelProto) -> ModelProto:
    """Turn a graph to fp16.

    Args:
        model: fp32, as exported; left as it is. Integer inputs, outputs FP32.

    Returns:
        The same inputs and outputs, fp16 in between, valid by ONNX's own checker.

    Raises:
        EngineError: the graph is quantised, has loops or an input that is not an integer; the message names it.
    """
    result = ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    for value in graph.input:
        if value.type.tensor_type.elem_type in (_FLOAT, _HALF):
            raise EngineError(f"input {value.name!r} is a float: only graphs that take token ids can be turned to fp16")
    _lift_constants(graph)
    unfit = _make_finite(graph)
    _Rewriter(graph, plan_half(graph, unfit)).run()
    del graph.value_info[:]
    return result


def emulate(half: ModelProto) -> ModelProto:
    """Write an fp16 graph so that a CPU rounds and overflows as a GPU does.

    ONNX Runtime's CPU provider has next to no fp16 kernels: it computes in fp32 *and keeps the fp32 values between
    nodes*, so it shows no overflow. Here every node computes in fp32, as tensor cores accumulate, and a pair of casts
    rounds what it gives to fp16, with infinity where that overflows. For certificates, not for serving.

    Args:
        half: What ``to_half`` gave.

    Returns:
        The same inputs and outputs, every computation in fp32.
    """
    result = ModelProto()
    result.CopyFrom(half)
    graph = result.graph
    types = element_types(graph)
    for tensor in graph.initializer:
        if tensor.data_type == _HALF:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name))
    nodes = [new for node in graph.node for new in _rounded(node, types)]
    del graph.node[:]
    graph.node.extend(nodes)
    return result


def _rounded(node: NodeProto, types: dict[str, int]) -> list[NodeProto]:
    """Give a node of an fp16 graph in fp32, with what rounds its outputs."""
    if node.op_type in _MOVES or _HALF not in [types[name] for name in node.output if name]:
        return [node]
    if node.op_type == "Cast":
        return _cast_pair(node.input[0], node.output[0])
    new = NodeProto()
    new.CopyFrom(node)
    pairs: list[NodeProto] = []
    for place, name in enumerate(node.output):
        if types.get(name) == _HALF:
            new.output[place] = f"{name}.exact"
            pairs += _cast_pair(f"{name}.exact", name)
    return [new, *pairs]


def _cast_pair(source: str, target: str) -> list[NodeProto]:
    rounded = f"{target}.rounded"
    return [
        helper.make_node("Cast", [source], [rounded], name=f"{target}.round", to=_HALF),
        helper.make_node("Cast", [rounded], [target], name=f"{target}.widen", to=_FLOAT),
    ]


def _lift_constants(graph: GraphProto) -> None:
    """Make initializers of float Constant nodes and read shared weights directly: one kind of constant is left."""
    kept: list[NodeProto] = []
    constants = {tensor.name for tensor in graph.initializer}
    named = {output.name for output in graph.output}.union(*map(captured, graph.node))
    aliases: dict[str, str] = {}
    for node in graph.node:
        array = _constant(node)
        for place, name in enumerate(node.input):
            node.input[place] = aliases.get(name, name)
        if array is not None:
            graph.initializer.append(numpy_helper.from_array(array, node.output[0]))
        elif node.op_type == "Identity" and node.input[0] in constants and node.output[0] not in named:
            aliases[node.output[0]] = node.input[0]
        else:
            kept.append(node)
    del graph.node[:]
    graph.node.extend(kept)


def _constant(node: NodeProto) -> npt.NDArray[np.float32] | None:
    """Read a Constant node's value if it is a float."""
    if node.op_type != "Constant":
        return None
    (attribute,) = node.attribute
    if attribute.name == "value" and attribute.t.data_type == _FLOAT:
        return np.asarray(numpy_helper.to_array(attribute.t))
    if attribute.name in ("value_float", "value_floats"):
        return np.asarray(helper.get_attribute_value(attribute), np.float32)
    return None


def _make_finite(graph: GraphProto) -> frozenset[str]:
    """Bring masks into fp16's range.

    Returns:
        Names of the initializers that are no masks and do not fit.
    """
    unfit = set()
    limits = {name for node in graph.node if node.op_type in ("Clip", "Min", "Max") for name in node.input}
    for node in graph.node:
        for attribute in node.attribute:
            if node.op_type == "ConstantOfShape" and attribute.t.data_type == _FLOAT:
                attribute.t.CopyFrom(_finite(attribute.t, MASKED))
    for tensor in graph.initializer:
        if tensor.data_type == _FLOAT:
            tensor.CopyFrom(_finite(tensor, LARGEST if tensor.name in limits else MASKED))
            if np.abs(numpy_helper.to_array(tensor)).max(initial=0) > LARGEST:
                unfit.add(tensor.name)
    return frozenset(unfit)


def _finite(tensor: TensorProto, bound: float) -> TensorProto:
    """Cut a mask's values to ±bound; a tensor that has other values than a mask's is left alone."""
    array = numpy_helper.to_array(tensor)
    # One value that no weight has, or a whole buffer of them and of the 0 and 1 beside them.
    never = (array < -bound) | (array >= _LARGEST_WEIGHT)
    if not never.any() or not (never | (array == 0) | (array == 1)).all():
        return tensor
    return numpy_helper.from_array(np.clip(array, -bound, bound).astype(np.float32), tensor.name)


class _Rewriter:
    """Puts casts and fp16 weights where a plan wants them."""

    def __init__(self, graph: GraphProto, plan: Plan) -> None:
        self._graph = graph
        self._plan = plan
        self._weights = {t.name: t for t in graph.initializer if t.data_type == _FLOAT}
        self._made: dict[str, int] = {}
        self._aliases: dict[tuple[str, int], str] = {}
        self._nodes: list[NodeProto] = []
        self._names = set(plan.types)

    def run(self) -> None:
        """Rewrite the graph in place."""
        for position, node in enumerate(self._graph.node):
            self._rewrite(node, _HALF if position in self._plan.half else _FLOAT)
        del self._graph.node[:]
        self._graph.node.extend(self._nodes)
        used = {name for node in self._nodes for name in captured(node).union(node.input)}
        kept = [tensor for tensor in self._graph.initializer if tensor.name in used]
        del self._graph.initializer[:]
        self._graph.initializer.extend(kept)

    def _rewrite(self, node: NodeProto, precision: int) -> None:
        if node.op_type not in _INDIFFERENT:
            for place, name in enumerate(node.input):
                if self._plan.types.get(name) == _FLOAT:
                    node.input[place] = self._as(name, precision)
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == _FLOAT:
                attribute.i = precision
        self._made |= {name: precision for name in node.output if self._plan.types.get(name) == _FLOAT}
        self._nodes.append(node)

    def _as(self, name: str, precision: int) -> str:
        """Name a float tensor in the precision that is wanted, casting it once if need be."""
        if self._made.get(name, _FLOAT) == precision:
            return name
        if (name, precision) not in self._aliases:
            self._aliases[name, precision] = self._convert(name, precision)
        return self._aliases[name, precision]

    def _convert(self, name: str, precision: int) -> str:
        alias = self._fresh(f"{name}.{'fp16' if precision == _HALF else 'fp32'}")
        if name in self._weights:
            array = numpy_helper.to_array(self._weights[name]).astype(np.float16)
            self._graph.initializer.append(numpy_helper.from_array(array, alias))
        else:
            self._nodes.append(helper.make_node("Cast", [name], [alias], name=alias, to=precision))
        return alias

    def _fresh(self, name: str) -> str:
        while name in self._names:
            name += "_"
        self._names.add(name)
        return name
