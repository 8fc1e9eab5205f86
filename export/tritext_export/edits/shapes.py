"""The dimensions of every value, learnt by running the model twice; shapes written down where they are now computed.

A traced graph computes its reshapes anew for every batch: ``Shape``, ``Gather``, ``Concat``, a dozen small nodes a
layer, which cost time and hide from every other edit what a ``Reshape`` does. Two runs with different batch sizes and
lengths tell a dimension that is fixed from one that follows the batch. Imports onnxruntime.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
import onnxruntime as ort

from tritext_export.edits.values import Array, add_constant, constant

# Texts and tokens of the two runs; no count in one is that of the other, nor a multiple of it.
PROBES = ((2, 5), (3, 7))
_COPY, _INFER = 0, -1


@dataclass(frozen=True, slots=True)
class Probe:
    """What two runs showed of one value.

    Attributes:
        first: Its shape in the first run.
        second: Its shape in the second run.
        values: Its content in both runs, where it is small.
    """

    first: tuple[int, ...]
    second: tuple[int, ...]
    values: tuple[Array, Array] | None

    def same(self, axis: int, other: "Probe", other_axis: int) -> bool:
        """Tell whether two dimensions are equal in both runs."""
        return (self.first[axis], self.second[axis]) == (other.first[other_axis], other.second[other_axis])


Probes = dict[str, Probe]


def probe(model: ir.Model) -> Probes:
    """Run a model twice on zeros and look at every value.

    Args:
        model: Inputs are INT64 [texts, tokens].

    Returns:
        What was seen, by the value's name.
    """
    watched = ir.from_proto(ir.to_proto(model))
    seen = {output.name for output in watched.graph.outputs}
    names = [o.name for node in watched.graph for o in node.outputs if o.name and o.uses()]
    by_name = {o.name: o for node in watched.graph for o in node.outputs}
    watched.graph.outputs.extend(by_name[name] for name in names if name not in seen)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    data = ir.to_proto(watched).SerializeToString()
    session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    wanted = [output.name for output in session.get_outputs()]
    inputs = [node.name for node in session.get_inputs()]
    runs = [session.run(wanted, {i: np.ones(shape, np.int64) for i in inputs}) for shape in PROBES]
    found = {name: _seen(a, b) for name, a, b in zip(wanted, *runs, strict=True)}
    return found | {name: Probe(*PROBES, None) for name in inputs}


def settle_shapes(model: ir.Model) -> int:
    """Write down what is computed of shapes alone: scalars and lists that no batch changes, and targets of Reshape.

    Returns:
        How many values became constants.
    """
    probes = probe(model)
    settled = 0
    for value in _of_shapes(model.graph):
        seen = probes.get(value.name or "")
        if seen and seen.values and seen.first == seen.second and np.array_equal(*seen.values):
            value.replace_all_uses_with(add_constant(model.graph, f"{value.name}/settled", seen.values[0]))
            settled += 1
    for node in list(model.graph):
        if node.op_type == "Reshape" and constant(node.inputs[1]) is None:
            target = _target(probes, node)
            if target is not None:
                node.replace_input_with(1, add_constant(model.graph, f"{node.outputs[0].name}/shape", target))
                settled += 1
    return settled


def _seen(first: Array, second: Array) -> Probe:
    keep = first.ndim <= 1 and first.size <= 16
    return Probe(first.shape, second.shape, (first, second) if keep else None)


def _of_shapes(graph: ir.Graph) -> Iterator[ir.Value]:
    """Give the values that depend on shapes and constants alone, never on a token."""
    known: set[ir.Value] = set()
    for node in list(graph):
        from_shapes = any(value in known for value in node.inputs if value is not None)
        pure = all(v is None or v in known or constant(v) is not None for v in node.inputs)
        if node.op_type == "Shape" or (pure and from_shapes):
            known.update(node.outputs)
            yield from node.outputs


def _target(probes: Probes, node: ir.Node) -> Array | None:
    """Find the constant that says what a Reshape's computed target says, if one can."""
    source, result = (probes.get(value.name or "") for value in (node.inputs[0], node.outputs[0]) if value)
    if source is None or result is None:
        return None
    target = []
    for axis, (first, second) in enumerate(zip(result.first, result.second, strict=True)):
        if first == second:
            target.append(first)
        elif axis < len(source.first) and result.same(axis, source, axis):
            target.append(_COPY)
        else:
            target.append(_INFER)
    return np.array(target, np.int64) if target.count(_INFER) <= 1 else None
