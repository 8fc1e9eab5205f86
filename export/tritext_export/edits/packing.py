"""Real tokens only where tokens do not meet: padding is dropped inside the graph.

Dense layers, LayerNorms and activations treat tokens one by one, so they may as well work on the real tokens of all
texts, [tokens, width], as on padded rows, [texts, longest, width]. Attention needs the rows: before it tokens are put
back in their places, and padding there holds some real token's values, which the mask keeps from being read. What is
found at padded places afterwards is dropped again.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import onnx_ir as ir

from tritext_export.edits.shapes import PROBES, Probes, probe
from tritext_export.edits.values import add_constant, attribute, constant

MASK = "attention_mask"
_ARITHMETIC = ("Add", "Sub", "Mul", "Div", "Pow", "Sqrt", "Neg", "Abs", "Exp", "Reciprocal", "Max", "Min", "Clip")
_ACTIVATIONS = ("Erf", "Gelu", "FastGelu", "QuickGelu", "Tanh", "Sigmoid", "Relu", "Cast", "Identity")
_ELEMENTWISE = frozenset((*_ARITHMETIC, *_ACTIVATIONS))
_DENSE = frozenset({"MatMul", "MatMulIntegerToFloat"})
_REDUCTIONS = frozenset({"ReduceMax", "ReduceMin", "ReduceMean"})


def pack_tokens(model: ir.Model) -> int:
    """Let every operation that treats tokens one by one, and hangs together with a dense layer, work on real tokens.

    Returns:
        How many nodes do now.
    """
    mask = next((value for value in model.graph.inputs if value.name == MASK), None)
    if mask is None:
        return 0
    probes = probe(model)
    masks = _of_the_mask(model.graph, mask)
    by_token = (node for node in model.graph if masks.isdisjoint(node.inputs) and _goes_by_token(node, probes))
    packed = _around_dense_layers(by_token)
    if packed:
        _rewire(_Places(model.graph, mask), packed, probes)
    return len(packed)


def _of_the_mask(graph: ir.Graph, mask: ir.Value) -> set[ir.Value | None]:
    """Give the values computed of the mask alone: what they are multiplied with means to have noughts for padding."""
    found: set[ir.Value | None] = {mask}
    for node in graph:
        given = node.inputs[:1] if node.op_type in ("Expand", "Reshape") else node.inputs  # whatever says the shape
        computed = [value for value in given if value is not None and constant(value) is None]
        if computed and found.issuperset(computed):
            found.update(node.outputs)
    return found


def _is_rows(value: ir.Value | None, probes: Probes) -> bool:
    """Tell whether a value is [texts, tokens, width]."""
    seen = None if value is None else probes.get(str(value.name))
    if seen is None or len(seen.first) != 3:
        return False
    return (seen.first[:2], seen.second[:2]) == PROBES and seen.first[2] == seen.second[2]


def _goes_by_token(node: ir.Node, probes: Probes) -> bool:
    """Tell whether a node computes each token of its output from the same token of its inputs, and from constants."""
    if not all(_is_rows(output, probes) for output in node.outputs if output.uses()):
        return False
    given = [value for value in node.inputs if value is not None]
    if node.op_type in _ELEMENTWISE:
        return all(_is_rows(value, probes) or _has_axes(value, 0, 1) for value in given)
    return bool(given) and _is_rows(given[0], probes) and _reads_constants(node, given[1:])


def _reads_constants(node: ir.Node, others: Sequence[ir.Value]) -> bool:
    """Tell whether all that a node reads but its first input is constant, and of a form that does not see rows."""
    if node.op_type in _DENSE:
        return _has_axes(others[0], 2) and all(_has_axes(value, 0, 1) for value in others[1:])
    if node.op_type == "QuantizeLinear":
        return all(_has_axes(value, 0) for value in others)
    if node.op_type == "LayerNormalization":
        return int(attribute(node, "axis", -1)) in (-1, 2) and all(_has_axes(value, 1) for value in others)
    return node.op_type in _REDUCTIONS and _reduces_width(node)


def _has_axes(value: ir.Value, *ranks: int) -> bool:
    """Tell whether a value is a constant with one of these numbers of axes."""
    fixed = constant(value)
    return fixed is not None and fixed.ndim in ranks


def _reduces_width(node: ir.Node) -> bool:
    axes = attribute(node, "axes", None) if len(node.inputs) < 2 else constant(node.inputs[1])
    return axes is not None and list(axes) == [-1] and int(attribute(node, "keepdims", 1)) == 1


def _around_dense_layers(nodes: Iterable[ir.Node]) -> set[ir.Node]:
    """Keep those that hang together with a dense layer; packing for the others would cost more than it saves."""
    candidates = set(nodes)
    kept: set[ir.Node] = set()
    waiting = [node for node in candidates if node.op_type in _DENSE]
    while waiting:
        node = waiting.pop()
        if node in kept:
            continue
        kept.add(node)
        behind = [use for output in node.outputs for use in output.consumers()]
        before = [value.producer() for value in node.inputs if value is not None]
        waiting += [other for other in (*behind, *before) if other in candidates]
    return kept


class _Places:
    """Where the real tokens stand, and the two ways between rows and tokens; each is gone once a value."""

    def __init__(self, graph: ir.Graph, mask: ir.Value) -> None:
        self.graph = graph
        self._gone: dict[tuple[str, ir.Value], ir.Value] = {}
        everything = add_constant(graph, "packed/everything", np.array([-1], np.int64))
        one = add_constant(graph, "packed/one", np.array(1, np.int64))
        nought = add_constant(graph, "packed/nought", np.array(0, np.int64))
        flat = ir.node("Reshape", [mask, everything])
        found = ir.node("NonZero", [flat.outputs[0]])
        real = ir.node("Reshape", [found.outputs[0], everything])
        counted = ir.node("CumSum", [flat.outputs[0], nought])
        before = ir.node("Sub", [counted.outputs[0], one])
        place = ir.node("Max", [before.outputs[0], nought])  # padding at the very beginning
        shape = ir.node("Shape", [mask])
        rows = ir.node("Reshape", [place.outputs[0], shape.outputs[0]])
        self._head = _named("packed", [flat, found, real, counted, before, place, shape, rows])
        self._real, self._rows = real.outputs[0], rows.outputs[0]
        graph.insert_before(graph[0], self._head)

    def pack(self, value: ir.Value, width: int) -> ir.Value:
        """Take the real tokens out of rows: [texts, longest, width] to [tokens, width]."""
        if ("pack", value) in self._gone:
            return self._gone["pack", value]
        shape = add_constant(self.graph, f"packed/rows_{width}", np.array([-1, width], np.int64))
        flat = ir.node("Reshape", [value, shape])
        return self._go("pack", value, [flat, ir.node("Gather", [flat.outputs[0], self._real], {"axis": 0})])

    def unpack(self, value: ir.Value) -> ir.Value:
        """Put tokens back into rows: [tokens, width] to [texts, longest, width]."""
        if ("unpack", value) in self._gone:
            return self._gone["unpack", value]
        return self._go("unpack", value, [ir.node("Gather", [value, self._rows], {"axis": 0})])

    def _go(self, way: str, value: ir.Value, nodes: list[ir.Node]) -> ir.Value:
        self.graph.insert_after(value.producer() or self._head[-1], _named(f"{value.name}/{way}", nodes))
        self._gone[way, value] = nodes[-1].outputs[0]
        return nodes[-1].outputs[0]


def _named(name: str, nodes: list[ir.Node]) -> list[ir.Node]:
    for number, node in enumerate(nodes):
        node.name = node.outputs[0].name = f"{name}_{number}"
    return nodes


def _rewire(places: _Places, packed: set[ir.Node], probes: Probes) -> None:
    """Pack what goes in, unpack what comes out."""
    for node in [node for node in places.graph if node in packed]:
        for index, value in enumerate(node.inputs):
            if value is not None and _is_rows(value, probes) and value.producer() not in packed:
                width = probes[str(value.name)].first[2]
                node.replace_input_with(index, places.pack(value, width))
        if node.op_type == "LayerNormalization":
            node.attributes["axis"] = ir.AttrInt64("axis", -1)
    for output in [output for node in places.graph if node in packed for output in node.outputs]:
        outside = [use for use in output.uses() if use.node not in packed]
        for use in outside:
            use.node.replace_input_with(use.idx, places.unpack(output))
        output.shape = None
