"""The attention mask as one row a text instead of one a token.

A traced graph writes the mask out as [texts, 1, tokens, tokens] although every row of it is the same, and then
computes on all of it. Additions broadcast by themselves, so an ``Expand`` whose every reader goes on to meet a value
of the full shape is left out.
"""

import operator

import onnx_ir as ir

from tritext_export.edits.shapes import Probes, probe
from tritext_export.edits.values import constant

_ELEMENTWISE = frozenset({"Cast", "Sub", "Add", "Mul", "Where", "Not", "Equal", "And", "Or", "Neg"})


def narrow_mask(model: ir.Model) -> int:
    """Leave out every ``Expand`` that broadcasting makes needless.

    Returns:
        How many there were.
    """
    probes = probe(model)
    needless = [n for n in model.graph if n.op_type == "Expand" and _meets_full_shape(n.outputs[0], probes)]
    for node in needless:
        node.outputs[0].replace_all_uses_with(node.inputs[0])  # type: ignore[arg-type]  # Expand has its input
    return len(needless)


def _meets_full_shape(value: ir.Value, probes: Probes) -> bool:
    """Tell whether every path from a value leads through elementwise operations to one that has the shape anyway."""
    return bool(value.consumers()) and all(_reader_copes(node, value, probes) for node in value.consumers())


def _reader_copes(node: ir.Node, value: ir.Value, probes: Probes) -> bool:
    if node.op_type not in _ELEMENTWISE or any(output.is_graph_output() for output in node.outputs):
        return False
    shape = probes[str(value.name)].first
    for other in node.inputs:
        seen = None if other is None or other is value or constant(other) is not None else probes.get(str(other.name))
        as_wide = seen and len(seen.first) == len(shape) and all(map(operator.ge, seen.first, shape))
        if as_wide and not _follows_expand(other):
            return True
    return _meets_full_shape(node.outputs[0], probes)


def _follows_expand(value: ir.Value | None) -> bool:
    """Tell whether a value is itself a mask that an Expand made wide."""
    node = None if value is None else value.producer()
    if node is None:
        return False
    if node.op_type == "Expand":
        return True
    return node.op_type in _ELEMENTWISE and any(_follows_expand(v) for v in node.inputs if v is not None)
