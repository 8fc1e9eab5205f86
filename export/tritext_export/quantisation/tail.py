"""One group of dense layers on trial: the rest of the model runs once, and for each option only what follows the group.

A model is cut behind the group: what comes before gives the group's input and whatever else is read later on, once for
all options; an option is a small graph of the group's layers alone; the tail goes from their outputs to the logits.
Half of the model on average, and no session of the whole for every option. Imports onnxruntime.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
import onnxruntime as ort

from tritext_export.edits.values import Array, constant
from tritext_export.quantisation.dense import Dense
from tritext_export.quantisation.rewriting import rewrite
from tritext_export.quantisation.schemes import FloatArray, Scheme
from tritext_export.quantisation.weights import Int8Weights

Batch = Mapping[str, Array]
LOGITS = "logits"


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a model is cut for a group, in names of values.

    Attributes:
        entry: What the group's layers read.
        exits: What they give, biases added.
        carried: What is computed before or beside them and read after them.
    """

    entry: str
    exits: tuple[str, ...]
    carried: tuple[str, ...]


class Rehearsal:
    """A model and the batches that every option is tried on."""

    def __init__(self, model: ir.Model, groups: Sequence[Sequence[Dense]], batches: Sequence[Batch]) -> None:
        """Load the model once, with every value that some tail reads as an output.

        Args:
            model: In fp32; left as it is.
            groups: The layers that will be tried together.
            batches: The model's inputs.
        """
        self._model = model
        self._batches = batches
        self._cuts = {group[0].name: find_cut(model, group) for group in groups}
        inputs = {str(value.name) for value in model.graph.inputs}
        wanted = {n: None for cut in self._cuts.values() for n in (cut.entry, *cut.carried) if n not in inputs}
        watched = model.clone()
        by_name = {output.name: output for node in watched.graph for output in node.outputs}
        watched.graph.outputs.extend(by_name[name] for name in wanted if name != LOGITS)
        self._session = open_whole(watched)

    def reference(self) -> FloatArray:
        """The logits in fp32, FP32 [texts, labels]."""
        found: FloatArray = np.concatenate([self._session.run([LOGITS], dict(batch))[0] for batch in self._batches])
        return found

    def stage(self, group: Sequence[Dense]) -> "Stage":
        """Run up to a group, and make ready what follows it."""
        cut = self._cuts[group[0].name]
        names = dict.fromkeys((cut.entry, *cut.carried))
        values = [self._values(batch, names) for batch in self._batches]
        return Stage(self._model, group, cut, values)

    def _values(self, batch: Batch, names: Collection[str]) -> Batch:
        """Give values of the model's inputs and of what it computes from them."""
        given = {name: batch[name] for name in names if name in batch}
        computed = [name for name in names if name not in batch]
        if not computed:  # ONNX Runtime would take it for all outputs
            return given
        only = ort.RunOptions()
        only.only_execute_path_to_fetches = True
        return given | dict(zip(computed, self._session.run(computed, dict(batch), only), strict=True))


class Stage:
    """The tail of one group, and its inputs on all batches."""

    def __init__(self, model: ir.Model, group: Sequence[Dense], cut: Cut, values: Sequence[Batch]) -> None:
        self._model = model
        self._group = group
        self._cut = cut
        self._values = values
        kinds = {name: values[0][name].dtype for name in cut.carried} | dict.fromkeys(cut.exits, np.dtype(np.float32))
        # A head with many labels is a dense layer itself, and nothing follows it.
        self._tail = None if LOGITS in cut.exits else open_whole(_extract(model, kinds, (LOGITS,)))

    def logits(self, scheme: Scheme, weights: Sequence[Int8Weights]) -> FloatArray:
        """Run the group on int8 and all that follows in fp32.

        Returns:
            FP32 [texts, labels].
        """
        entry = self._cut.entry
        part = _extract(self._model, {entry: np.dtype(np.float32)}, self._cut.exits)
        nodes = {node.name: node for node in part.graph}
        copies = [Dense(dense.name, nodes[dense.name], dense.weights) for dense in self._group]
        rewrite(part, copies, scheme, weights)
        session = open_whole(part)
        names = [output.name for output in session.get_outputs()]
        answers = []
        for values in self._values:
            exits = dict(zip(self._cut.exits, session.run(names, {entry: values[entry]}), strict=True))
            carried = {name: values[name] for name in self._cut.carried}
            answers.append(self._tail.run([LOGITS], exits | carried)[0] if self._tail else exits[LOGITS])
        found: FloatArray = np.concatenate(answers)
        return found


def find_cut(model: ir.Model, group: Sequence[Dense]) -> Cut:
    """Find what the rest of a model reads once a group of layers has run."""
    exits = [_exit(dense) for dense in group]
    after = set(exits)
    carried: dict[str, None] = {}
    for node in model.graph:
        if not after.isdisjoint(node.inputs):
            read = (value for value in node.inputs if value is not None and value not in after)
            carried |= {str(value.name): None for value in read if constant(value) is None}
            after.update(node.outputs)
    return Cut(str(group[0].input.name), tuple(str(value.name) for value in exits), tuple(carried))


def open_whole(model: ir.Model) -> ort.InferenceSession:
    """Load a model as the published configuration asks."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    return ort.InferenceSession(ir.to_proto(model).SerializeToString(), options, providers=["CPUExecutionProvider"])


def _exit(dense: Dense) -> ir.Value:
    follower = dense.bias
    value: ir.Value = (follower[0] if follower else dense.node).outputs[0]
    return value


def _extract(model: ir.Model, inputs: Mapping[str, np.dtype], outputs: Sequence[str]) -> ir.Model:  # type: ignore[type-arg]  # of any kind
    """Give a part of a model as one of its own; the weights are shared."""
    graph = ir.convenience.extract(model.graph, list(inputs), list(outputs))
    for value in graph.inputs:
        value.type = ir.TensorType(ir.DataType.from_numpy(inputs[str(value.name)]))
        value.shape = None  # ONNX Runtime's notes beside its fusions are wrong at times
    for value in graph.outputs:
        value.type = value.type or ir.TensorType(ir.DataType.FLOAT)
        value.shape = None
    return ir.Model(graph, ir_version=model.ir_version)
