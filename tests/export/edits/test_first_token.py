"""The last layer on the first token: how much of it is saved, and that nothing else is touched."""

from collections import Counter
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

from tests.export.traced import copied, run, texts, trace
from tritext_export.edits.first_token import keep_first_token
from tritext_export.edits.pipeline import tidy
from tritext_export.edits.shapes import PROBES, probe, settle_shapes

# Products of the last layer: query, its scores, what they pick, output, and the two of the feed-forward.
PRODUCTS = 6


def settled(family: str, **config: Any) -> ir.Model:
    """Give a graph as the edit gets it."""
    model = trace(family, **config)
    tidy(model)
    settle_shapes(model)
    tidy(model)
    return model


def products(model: ir.Model) -> list[tuple[int, ...]]:
    """Give the shape of every product of the first probe, in the order of the graph."""
    seen = probe(model)
    return [seen[str(n.outputs[0].name)].first for n in model.graph if n.op_type == "MatMul" and n.outputs[0].uses()]


@pytest.mark.parametrize("layers", [2, 4])
def test_only_the_last_layer_is_narrowed(layers: int) -> None:
    model = settled("bert", num_hidden_layers=layers)
    before = products(model)
    assert keep_first_token(model) == keep_first_token(settled("bert", num_hidden_layers=3))
    after = products(model)
    changed = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
    assert len(changed) == PRODUCTS
    assert before[: -2 * PRODUCTS] == after[: -2 * PRODUCTS], "the layers before work on all tokens"
    tokens = PROBES[0][1]
    assert all(np.prod(a) == tokens * np.prod(b) for a, b in changed), "one token instead of all, and no less"


@pytest.mark.parametrize("family", ["bert", "distilbert", "roberta", "electra", "albert", "mpnet", "xlm-roberta"])
def test_no_work_is_done_twice(family: str) -> None:
    model = settled(family)
    before = Counter(node.op_type for node in model.graph)
    assert keep_first_token(model)
    added = Counter(node.op_type for node in model.graph) - before
    assert set(added) == {"Slice"}
    assert added["Slice"] <= 4, "the layer's input, its residual and, for some, mask and positions"


def test_keys_and_values_keep_all_tokens() -> None:
    model = settled("bert")
    keep_first_token(model)
    texts_, tokens = PROBES[0]
    assert products(model)[-PRODUCTS - 2 :].count((texts_, tokens, 32)) == 2


def test_a_head_that_reads_all_tokens_is_left_alone() -> None:
    model = settled("modernbert", classifier_pooling="mean")
    before = ir.to_proto(model).SerializeToString(deterministic=True)
    assert keep_first_token(model) == 0
    assert ir.to_proto(model).SerializeToString(deterministic=True) == before


def test_a_head_that_reads_another_token_is_left_alone() -> None:
    model = settled("bert")
    picked = next(n for n in reversed(list(model.graph)) if n.op_type == "Gather")
    second = ir.Value(name="second", const_value=ir.tensor(np.array(1), name="second"))
    model.graph.initializers["second"] = second
    picked.replace_input_with(1, second)
    assert keep_first_token(copied(model)) == 0


def test_a_hidden_state_with_another_reader_keeps_its_tokens() -> None:
    """A second output that sums over all tokens needs all of the last layer."""
    model = settled("bert")
    picked = next(n for n in reversed(list(model.graph)) if n.op_type == "Gather")
    total = ir.node("ReduceMean", [picked.inputs[0]], {"axes": [1], "keepdims": 0})
    total.outputs[0].name = "mean"
    total.outputs[0].type = ir.TensorType(ir.DataType.FLOAT)
    model.graph.append(total)
    model.graph.outputs.append(total.outputs[0])
    batch = texts([5, 9])
    before = run(model, batch, ("mean",))
    assert keep_first_token(model) == 0
    np.testing.assert_array_equal(run(model, batch, ("mean",)), before)


def test_a_reshape_that_depends_on_nothing_but_the_batch_survives_a_single_token() -> None:
    model = settled("bert")
    keep_first_token(model)
    plain = trace("bert")
    for lengths in ([1], [1, 1, 1], [2, 1]):
        np.testing.assert_allclose(run(model, texts(lengths)), run(plain, texts(lengths)), atol=1e-5)
