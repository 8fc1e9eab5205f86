"""The quantiser from end to end on small encoders: labels, layers, neighbours, and what it refuses."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

from tests.conftest import Silent
from tests.export.traced import WIDE, Batch, copied, run, texts, trace
from tritext_export.certificate import Activation
from tritext_export.edits.pipeline import edit, fuse_for_cpu
from tritext_export.errors import GraphError
from tritext_export.quantisation.quantiser import Quantiser
from tritext_export.quantisation.shelf import Shelf
from tritext_export.quantisation.steps import DIVISORS, GPTQ, PER_TOKEN, STATIC

WORDS = {"fp32", "static int8", "int8 per token"}


@cache
def fused(family: str, labels: tuple[str, ...] = ("negative", "positive"), **config: Any) -> ir.Model:
    """A model wide enough to quantise, as the quantiser gets it; do not change it."""
    sizes = {"hidden_size": 64, "dim": 64, "hidden_dim": 128} if family == "distilbert" else WIDE
    model = trace(family, labels, **sizes, **config)
    edit(model)
    return fuse_for_cpu(model)


def batches(seed: int = 0, count: int = 8) -> list[Batch]:
    """Texts of mixed lengths, eight a batch."""
    chance = np.random.default_rng(seed)
    return [texts(chance.integers(2, 30, 8).tolist(), pad=0, seed=seed + n) for n in range(count)]


def quantiser(model: ir.Model, activation: Activation = "softmax") -> Quantiser:
    """Watch some texts."""
    return Quantiser(model, batches(), activation, Silent())


def labels_of(model: ir.Model, seed: int = 100) -> np.ndarray:  # type: ignore[type-arg]  # of INT64
    """Labels of texts that nothing was calibrated on."""
    return np.concatenate([run(model, batch).argmax(axis=1) for batch in batches(seed, 25)])


@pytest.mark.parametrize("family", ["bert", "distilbert", "roberta", "modernbert"])
def test_most_labels_stay(family: str) -> None:
    model = fused(family)
    small, layers = quantiser(model).quantise(0.97)
    assert set(layers.values()) <= WORDS
    assert set(layers.values()) != {"fp32"}, "something runs on int8"
    assert [node for node in small.graph if node.op_type == "MatMulIntegerToFloat"]
    assert (labels_of(small) == labels_of(model)).mean() >= 0.95


def test_every_group_of_layers_has_a_word() -> None:
    model = fused("bert")
    small, layers = quantiser(model).quantise(0.9)
    # Query, key and value together, output, and two of the feed-forward; the last layer's query reads one token alone.
    assert len(layers) == 4 + 5, list(layers)
    assert len({name.split("/layer.")[1][:1] for name in layers if "/layer." in name}) == 2
    before, after = ([node.op_type for node in m.graph] for m in (model, small))
    assert after.count("MatMulIntegerToFloat") + after.count("MatMul") == before.count("MatMul")


def test_wanting_all_labels_leaves_everything_in_fp32() -> None:
    model = fused("bert")
    small, layers = quantiser(model).quantise(1.0)
    assert set(layers.values()) == {"fp32"}
    for batch in batches(7, 2):
        np.testing.assert_allclose(run(small, batch), run(model, batch), atol=1e-5)


def test_wanting_more_labels_never_quantises_more() -> None:
    made = quantiser(fused("bert"))
    counts = [list(made.quantise(wanted)[1].values()).count("fp32") for wanted in (0.5, 0.99, 0.9999)]
    assert counts == sorted(counts)


@pytest.mark.parametrize(
    ("labels", "problem_type", "activation"),
    [(("a", "b", "c"), "multi_label_classification", "sigmoid"), (("stars",), "regression", "none")],
)
def test_other_heads(labels: tuple[str, ...], problem_type: str, activation: Activation) -> None:
    model = fused("bert", labels, problem_type=problem_type)
    small, layers = quantiser(model, activation).quantise(0.9)
    assert set(layers.values()) != {"fp32"}
    before, after = (np.concatenate([run(m, batch) for batch in batches(50, 4)]) for m in (model, small))
    assert np.abs(after - before).mean() < 0.3 * before.std()


def test_no_label_hears_of_its_neighbours() -> None:
    small, _ = quantiser(fused("bert")).quantise(0.9)
    together = batches(3, 4)
    for batch in together:
        lengths = batch["attention_mask"].sum(axis=1)
        alone = [run(small, {k: v[row : row + 1, : lengths[row]] for k, v in batch.items()}) for row in range(8)]
        beside = run(small, batch)
        np.testing.assert_allclose(np.concatenate(alone), beside, atol=0.05)
        np.testing.assert_array_equal(np.concatenate(alone).argmax(axis=1), beside.argmax(axis=1))


def test_the_model_given_is_left_as_it_was() -> None:
    model = copied(fused("bert"))
    before = ir.to_proto(model).SerializeToString(deterministic=True)
    quantiser(model).quantise(0.9)
    assert ir.to_proto(model).SerializeToString(deterministic=True) == before


def test_the_same_texts_give_the_same_bytes() -> None:
    one, other = (
        ir.to_proto(quantiser(copied(fused("bert"))).quantise(0.9)[0]).SerializeToString(deterministic=True)
        for _ in range(2)
    )
    assert one == other


def test_weights_that_are_no_numbers_are_named() -> None:
    model = copied(fused("bert"))
    dense = next(node for node in model.graph if node.op_type == "MatMul" and node.inputs[1].const_value is not None)  # type: ignore[union-attr]
    name = str(dense.inputs[1].name)  # type: ignore[union-attr]
    broken = model.graph.initializers[name].const_value.numpy().copy()  # type: ignore[union-attr]
    broken[3, 3] = np.nan
    model.graph.initializers[name].const_value = ir.tensor(broken, name=name)
    with pytest.raises(GraphError, match=rf"int8: the weights of {dense.name} hold NaN or infinity: mend"):
        quantiser(model)


def test_activations_that_are_no_numbers_are_named() -> None:
    model = copied(fused("bert"))
    norm = next(node for node in model.graph if node.op_type == "LayerNormalization")
    name = str(norm.inputs[2].name)  # type: ignore[union-attr]
    model.graph.initializers[name].const_value = ir.tensor(np.full(64, np.inf, np.float32), name=name)
    with pytest.raises(GraphError, match=r"int8: \S+ is NaN or infinity on a calibration text: mend the checkpoint"):
        quantiser(model)


def test_a_model_with_nothing_to_quantise_is_told_so() -> None:
    model = trace("bert")
    edit(model)
    with pytest.raises(GraphError, match=r"int8: .*no matrix of 64 × 64 or more.*--precision fp32"):
        quantiser(model)


def content(model: ir.Model) -> bytes:
    """A model's bytes."""
    serialised: bytes = ir.to_proto(model).SerializeToString(deterministic=True)
    return serialised


class Counting(Silent):
    """Counts the groups that are tried, and breaks off at one."""

    def __init__(self, last: int = 999) -> None:
        self.tried = 0
        self.watched = False
        self._last = last

    def track(self, items: Any, total: int, what: str) -> Iterator[Any]:
        """Hand items on, to the last."""
        for item in items:
            if what.startswith("trying"):
                if self.tried == self._last:
                    raise KeyboardInterrupt
                self.tried += 1
            self.watched |= what.startswith("watching")
            yield item


def test_a_search_that_was_broken_off_goes_on_where_it_was(tmp_path: Path) -> None:
    model = fused("bert")
    whole, _ = quantiser(model).quantise(0.9)
    runs = [Counting(4), Counting(), Counting()]
    with pytest.raises(KeyboardInterrupt):
        Quantiser(model, batches(), "softmax", runs[0], (), Shelf(tmp_path, "a")).quantise(0.9)
    resumed, repeated = (
        Quantiser(model, batches(), "softmax", progress, (), Shelf(tmp_path, "a")).quantise(0.9)[0]
        for progress in runs[1:]
    )
    assert [progress.tried for progress in runs] == [4, 5, 0]
    assert [progress.watched for progress in runs] == [True, False, False]
    assert content(whole) == content(resumed) == content(repeated)
    assert not list(tmp_path.rglob("observed-*")), "of no use once all groups are tried"


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 no archive", None], ids=["empty", "broken", "another group's"])
def test_a_damaged_entry_is_computed_again(tmp_path: Path, damage: bytes | None) -> None:
    model = fused("bert")
    whole, _ = Quantiser(model, batches(), "softmax", Silent(), (), Shelf(tmp_path, "a")).quantise(0.9)
    path = next(tmp_path.rglob("tried-002.npz"))
    path.write_bytes(next(tmp_path.rglob("tried-003.npz")).read_bytes() if damage is None else damage)
    next(tmp_path.rglob("reference.npz")).write_bytes(b"")
    progress = Counting()
    again, _ = Quantiser(model, batches(), "softmax", progress, (), Shelf(tmp_path, "a")).quantise(0.9)
    assert progress.tried == 1
    assert content(again) == content(whole)


@pytest.mark.parametrize(
    ("left_out", "words"), [(STATIC, {"int8 per token", "fp32"}), (PER_TOKEN, {"static int8", "fp32"})]
)
def test_a_scheme_can_be_left_out(left_out: str, words: set[str]) -> None:
    _, layers = Quantiser(fused("bert"), batches(), "softmax", Silent(), (left_out,)).quantise(0.9)
    assert set(layers.values()) <= words
    assert set(layers.values()) != {"fp32"}


@pytest.mark.parametrize("left_out", [DIVISORS, GPTQ])
def test_a_refinement_can_be_left_out(left_out: str) -> None:
    """Of one group, the only thing that may differ."""
    model = fused("bert")
    with_it, without = (Quantiser(model, batches(), "softmax", Silent(), steps)._tried for steps in ((), (left_out,)))
    schemes = [way.scheme for tried in without for way in tried.ways]
    if left_out == DIVISORS:
        assert {scheme.divisor is None for scheme in schemes} == {True}
        assert {way.scheme.divisor is None for tried in with_it for way in tried.ways} == {True, False}
    else:
        pairs = [
            (a, b) for one, two in zip(with_it, without, strict=True) for a, b in zip(one.ways, two.ways, strict=True)
        ]
        assert any((a.weights[0].values != b.weights[0].values).any() for a, b in pairs)


def test_without_both_schemes_nothing_is_left() -> None:
    with pytest.raises(GraphError, match="int8: --without int8-static,int8-per-token: nothing is left of int8"):
        Quantiser(fused("bert"), batches(), "softmax", Silent(), (STATIC, PER_TOKEN))
