"""Int8 from end to end: an fp32 model and calibration texts in, models that should keep a share of the labels out.

Every option of every group is tried in the whole model, all other layers in fp32, on some calibration texts. That is
most of the time that int8 takes, minutes for a larger model, and is what tells: a matrix of the first layers may hurt a
hundred times as much as one of the last.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import onnx_ir as ir
import onnxruntime as ort

from tritext_export.certificate import Activation
from tritext_export.edits.pipeline import tidy
from tritext_export.edits.values import Array
from tritext_export.errors import GraphError
from tritext_export.quantisation.dense import SMALLEST, Dense, find_dense
from tritext_export.quantisation.noise import margins, measure_noise, predict_agreement
from tritext_export.quantisation.observation import Observed, observe
from tritext_export.quantisation.path import Option, choose_options
from tritext_export.quantisation.plan import Group, choose_schemes, group_layers, round_weights
from tritext_export.quantisation.rewriting import rewrite
from tritext_export.quantisation.schemes import FloatArray, Scheme, Static, describe
from tritext_export.quantisation.weights import Int8Weights
from tritext_export.request import Progress

Batch = Mapping[str, Array]
# Calibration texts, in whole batches and so some more, on which every option is tried in the whole model.
TRIED_TEXTS = 64
# What a scheme that gives NaN or infinity is taken for.
LOUDEST = 1e6
# Time of a token, in nanoseconds: products at the peak that ONNX Runtime 1.31 reaches on one core with VNNI, passes
# over activations as measured there (docs/graph.md). Only their ratios matter.
_INT8_OPERATION, _FP32_OPERATION, _PASS = 1 / 420, 1 / 105, 0.2


@dataclass(frozen=True)
class _Way:
    """A scheme for a group, or none for fp32, with what it costs and adds."""

    scheme: Scheme | None
    option: Option


class Quantiser:
    """Everything known of one model's layers."""

    def __init__(self, model: ir.Model, batches: Sequence[Batch], activation: Activation, progress: Progress) -> None:
        """Observe the calibration texts.

        Args:
            model: fp32, fused for the CPU; left as it is.
            batches: Inputs of calibration texts, of mixed lengths.
            activation: What turns logits into probabilities.
            progress: Where to tell how far it is.

        Raises:
            GraphError: there is nothing to quantise, or numbers that are none.
        """
        self._model = model
        self._activation: Activation = activation
        self._progress = progress
        self._inputs = [str(i.name) for i in model.graph.inputs]
        self._batches = [{name: batch[name] for name in self._inputs} for batch in batches]
        layers = group_layers(_require_numbers(find_dense(model)))
        names = [str(group[0].input.name) for group in layers]
        masks = [dict(batch) for batch in batches]
        tracked = progress.track(masks, len(masks), "watching activations")
        self._observed = observe(model, names, tracked)
        self._groups = [choose_schemes(group, self._observed[name]) for group, name in zip(layers, names, strict=True)]
        self._rounded: dict[tuple[str, int], list[Int8Weights]] = {}

    @cached_property
    def _tried(self) -> list[Batch]:
        """Some batches, spread over the lengths."""
        texts = len(self._batches[0]["attention_mask"])
        step = max(1, len(self._batches) * texts // TRIED_TEXTS)
        return list(self._batches[::step])

    @cached_property
    def _reference(self) -> FloatArray:
        return _logits(self._model, self._batches)

    @cached_property
    def _ways(self) -> list[tuple[_Way, ...]]:
        """All options of all groups, tried."""
        reference = _logits(self._model, self._tried)
        tracked = self._progress.track(self._groups, len(self._groups), "trying int8 layer by layer")
        return [tuple(self._try(group, reference)) for group in tracked]

    def quantise(self, wanted: float) -> tuple[ir.Model, dict[str, str]]:
        """Build the model that should keep a share of the labels at the least cost.

        Args:
            wanted: Share of labels to keep.

        Returns:
            The model, and the scheme of each group of layers by the name of the first.
        """
        margin = margins(self._reference, self._activation)
        options = [[way.option for way in ways] for ways in self._ways]
        chosen = choose_options(options, lambda noise: predict_agreement(margin, noise**0.5), wanted)
        schemes = [ways[i].scheme for ways, i in zip(self._ways, chosen, strict=True)]
        model = self._rewritten(zip(self._groups, schemes, strict=True))
        tidy(model)
        names = {g.name: describe(s) for g, s in zip(self._groups, schemes, strict=True)}
        return model, names

    def _try(self, group: Group, reference: FloatArray) -> Iterator[_Way]:
        tokens = self._observed[str(group.layers[0].input.name)].tokens
        for scheme in (choice.scheme for choice in group.choices):
            logits = _logits(self._rewritten([(group, scheme)]), self._tried)
            measured = measure_noise(reference, logits, self._activation)
            noise = measured if math.isfinite(measured) else LOUDEST
            yield _Way(scheme, Option(noise**2, tokens * _cost(group.layers, scheme)))
        yield _Way(None, Option(0.0, tokens * _cost(group.layers, None)))

    def _rewritten(self, schemes: Iterable[tuple[Group, Scheme | None]]) -> ir.Model:
        model: ir.Model = ir.from_proto(ir.to_proto(self._model))
        layers = {dense.name: dense for dense in find_dense(model)}
        for group, scheme in schemes:
            if scheme is not None:
                rewrite(model, [layers[d.name] for d in group.layers], scheme, self._weights(group, scheme))
        return model

    def _weights(self, group: Group, scheme: Scheme) -> list[Int8Weights]:
        key = group.name, id(scheme)
        if key not in self._rounded:
            observed: Observed = self._observed[str(group.layers[0].input.name)]
            self._rounded[key] = round_weights(group.layers, scheme, observed)
        return self._rounded[key]


def _require_numbers(layers: Iterable[Dense]) -> list[Dense]:
    """Refuse a model without dense layers, or with weights that no scale can hold."""
    found = list(layers)
    if not found:
        raise GraphError(
            f"int8: the model has no matrix of {SMALLEST} × {SMALLEST} or more, so nothing is gained: use "
            "--precision fp32"
        )
    for dense in found:
        if not np.isfinite(dense.weights).all():
            raise GraphError(f"int8: the weights of {dense.name} hold NaN or infinity: mend the checkpoint")
    return found


def _cost(layers: Sequence[Dense], scheme: Scheme | None) -> float:
    """Estimate the time of one token."""
    inputs = layers[0].weights.shape[0]
    outputs = sum(dense.weights.shape[1] for dense in layers)
    operations = 2.0 * inputs * outputs
    if scheme is None:
        return operations * _FP32_OPERATION + outputs * _PASS
    divided = 0 if scheme.divisor is None else inputs
    if isinstance(scheme, Static):
        return operations * _INT8_OPERATION + (divided + inputs) * _PASS
    return operations * _INT8_OPERATION + (divided + 4 * inputs + 2 * outputs) * _PASS


def _logits(model: ir.Model, batches: Sequence[Batch]) -> FloatArray:
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    session = ort.InferenceSession(ir.to_proto(model).SerializeToString(), options, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(["logits"], dict(batch))[0] for batch in batches])
