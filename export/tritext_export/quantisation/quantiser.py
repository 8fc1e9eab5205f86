"""Int8 from end to end: an fp32 model and calibration texts in, models that should keep a share of the labels out.

Every option of every group is tried in the whole model, all other layers in fp32, on some calibration texts. That is
most of the time that int8 takes, minutes for a larger model, and is what tells: a matrix of the first layers may hurt a
hundred times as much as one of the last. What it finds goes on a shelf group by group, so that an export that was
broken off goes on where it was, and the same export again is quick.
"""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TypeVar

import numpy as np
import onnx_ir as ir

from tritext_export.certificate import Activation
from tritext_export.edits.pipeline import tidy
from tritext_export.edits.values import Array
from tritext_export.errors import GraphError
from tritext_export.quantisation.dense import SMALLEST, Dense, find_dense
from tritext_export.quantisation.noise import margins, measure_noise, predict_agreement
from tritext_export.quantisation.observation import Observed, observe
from tritext_export.quantisation.path import Option, choose_options
from tritext_export.quantisation.plan import choose_schemes, group_layers, round_weights
from tritext_export.quantisation.record import Tried, Way, observed_from_arrays, observed_to_arrays
from tritext_export.quantisation.rewriting import rewrite
from tritext_export.quantisation.schemes import FloatArray, Scheme, Static, describe
from tritext_export.quantisation.shelf import Shelf
from tritext_export.quantisation.steps import PER_TOKEN, STATIC
from tritext_export.quantisation.tail import LOGITS, Rehearsal, open_whole
from tritext_export.request import Progress

Batch = Mapping[str, Array]
Group = tuple[Dense, ...]
Found = TypeVar("Found")
# Calibration texts, in whole batches and so some more, on which every option is tried in the whole model.
TRIED_TEXTS = 64
# What a scheme that gives NaN or infinity is taken for.
LOUDEST = 1e6
# Time of a token, in nanoseconds: products at the peak that ONNX Runtime 1.31 reaches on one core with VNNI, passes
# over activations as measured there (docs/graph.md). Only their ratios matter.
_INT8_OPERATION, _FP32_OPERATION, _PASS = 1 / 420, 1 / 105, 0.2
NO_SHELF = Shelf(None, "")


class Quantiser:
    """Everything known of one model's layers."""

    def __init__(
        self,
        model: ir.Model,
        batches: Sequence[Batch],
        activation: Activation,
        progress: Progress,
        without: Collection[str] = (),
        shelf: Shelf = NO_SHELF,
    ) -> None:
        """Take what is on the shelf, and observe the calibration texts for the rest.

        Args:
            model: fp32, fused for the CPU; left as it is.
            batches: Inputs of calibration texts, of mixed lengths.
            activation: What turns logits into probabilities.
            progress: Where to tell how far it is.
            without: Steps of int8 to leave out, see ``steps``.
            shelf: Where an earlier run's results of the very same search are, and this one's go.

        Raises:
            GraphError: there is nothing to quantise, or numbers that are none.
        """
        if {STATIC, PER_TOKEN} <= set(without):
            raise GraphError(f"int8: --without {STATIC},{PER_TOKEN}: nothing is left of int8: keep one of them")
        self._model = model
        self._activation: Activation = activation
        self._progress = progress
        self._without = without
        self._shelf = shelf
        self._inputs = [str(i.name) for i in model.graph.inputs]
        self._batches = [{name: batch[name] for name in self._inputs} for batch in batches]
        self._groups = group_layers(_require_numbers(find_dense(model)))
        self._known = [self._recall(number, group) for number, group in enumerate(self._groups)]
        self._missing = [number for number, known in enumerate(self._known) if known is None]
        self._observed = self._observe(batches) if self._missing else {}

    def quantise(self, wanted: float) -> tuple[ir.Model, dict[str, str]]:
        """Build the model that should keep a share of the labels at the least cost.

        Args:
            wanted: Share of labels to keep.

        Returns:
            The model, and the scheme of each group of layers by the name of the first.
        """
        margin = margins(self._reference, self._activation)
        options = [_options(group, tried) for group, tried in zip(self._groups, self._tried, strict=True)]
        chosen = choose_options(options, lambda noise: predict_agreement(margin, noise**0.5), wanted)
        ways = [(*tried.ways, None)[i] for tried, i in zip(self._tried, chosen, strict=True)]
        model = self._rewritten(ways)
        tidy(model)
        names = {
            group[0].name: describe(way.scheme if way else None) for group, way in zip(self._groups, ways, strict=True)
        }
        return model, names

    @cached_property
    def _tried(self) -> list[Tried]:
        """All options of all groups."""
        if self._missing:
            tracked = self._progress.track(self._missing, len(self._missing), "trying int8 layer by layer")
            for number in tracked:
                self._known[number] = self._try(number)
        return [tried for tried in self._known if tried is not None]

    def _try(self, number: int) -> Tried:
        """Try the options of a group, and put them on the shelf."""
        group, observed = self._groups[number], self._observed[number]
        stage = self._rehearsal.stage(group)
        ways = []
        for choice in choose_schemes(group, observed, self._without).choices:
            weights = tuple(round_weights(group, choice.scheme, observed, self._without))
            logits = stage.logits(choice.scheme, weights)
            measured = measure_noise(self._rehearsed, logits, self._activation)
            ways.append(Way(choice.scheme, measured**2 if math.isfinite(measured) else LOUDEST**2, weights))
        tried = Tried(observed.tokens, tuple(ways))
        self._shelf.save(_tried_name(number), tried.to_arrays())
        self._shelf.drop(_observed_name(number))
        return tried

    def _observe(self, batches: Sequence[Batch]) -> dict[int, Observed]:
        """Watch what the groups not yet tried read: from the shelf, or else on the calibration texts."""
        recalled = {number: self._recall_observed(number) for number in self._missing}
        found = {number: observed for number, observed in recalled.items() if observed is not None}
        if len(found) == len(recalled):
            return found
        names = [str(group[0].input.name) for group in self._groups]
        tracked = self._progress.track([dict(batch) for batch in batches], len(batches), "watching activations")
        seen = observe(self._model, names, tracked)  # of all groups: which tokens are sampled depends on it
        for number in self._missing:
            self._shelf.save(_observed_name(number), observed_to_arrays(seen[names[number]]))
        return {number: seen[names[number]] for number in self._missing}

    def _recall(self, number: int, group: Group) -> Tried | None:
        return self._read(_tried_name(number), lambda arrays: Tried.from_arrays(arrays, group))

    def _recall_observed(self, number: int) -> Observed | None:
        width = int(self._groups[number][0].weights.shape[0])
        return self._read(_observed_name(number), lambda arrays: observed_from_arrays(arrays, width))

    def _read(self, name: str, build: Callable[[Mapping[str, Array]], Found]) -> Found | None:
        """Take an entry from the shelf; None where it is missing or not what it should be."""
        arrays = self._shelf.load(name)
        try:
            return None if arrays is None else build(arrays)
        except (KeyError, ValueError, TypeError):
            return None

    @cached_property
    def _rehearsal(self) -> Rehearsal:
        """Some batches, spread over the lengths."""
        texts = len(self._batches[0]["attention_mask"])
        step = max(1, len(self._batches) * texts // TRIED_TEXTS)
        return Rehearsal(self._model, [self._groups[n] for n in self._missing], self._batches[::step])

    @cached_property
    def _rehearsed(self) -> FloatArray:
        return self._rehearsal.reference()

    @cached_property
    def _reference(self) -> FloatArray:
        """The logits of all calibration texts in fp32."""
        texts = sum(len(batch["attention_mask"]) for batch in self._batches)
        known = self._read("reference", lambda arrays: arrays[LOGITS])
        if known is not None and known.dtype == np.float32 and known.ndim == 2 and len(known) == texts:
            return known
        session = open_whole(self._model)
        found: FloatArray = np.concatenate([session.run([LOGITS], dict(batch))[0] for batch in self._batches])
        self._shelf.save("reference", {LOGITS: found})
        return found

    def _rewritten(self, ways: Iterable[Way | None]) -> ir.Model:
        model = self._model.clone()
        layers = {dense.name: dense for dense in find_dense(model)}
        for group, way in zip(self._groups, ways, strict=True):
            if way is not None:
                rewrite(model, [layers[dense.name] for dense in group], way.scheme, way.weights)
        return model


def _tried_name(number: int) -> str:
    return f"tried-{number:03d}"


def _observed_name(number: int) -> str:
    return f"observed-{number:03d}"


def _options(group: Group, tried: Tried) -> list[Option]:
    """Noise and cost of every way, and of fp32 as the last."""
    int8 = [Option(way.noise, tried.tokens * _cost(group, way.scheme)) for way in tried.ways]
    return [*int8, Option(0.0, tried.tokens * _cost(group, None))]


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
