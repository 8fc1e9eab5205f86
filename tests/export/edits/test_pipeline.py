"""The exact edits on every family: no logit moves, each edit can be left out, and which one applies where."""

from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.export.traced import Batch, copied, mixed_batches, run, texts, trace
from tests.families import FAMILIES, MAX_LENGTH
from tritext_export.edits.pipeline import CPU_FUSIONS, EXACT, PACKED, edit, fuse_for_cpu, tidy
from tritext_export.errors import GraphError
from tritext_export.request import EDITS

TOLERANCE = 1e-4
BATCHES = mixed_batches()
ALL = ("settled-shapes", "narrow-mask", "first-token")
# ELECTRA, DeBERTa-v3 and ModernBERT trace masks that are narrow already.
NARROW = ("settled-shapes", "first-token")
APPLIED = dict.fromkeys(FAMILIES, ALL) | dict.fromkeys(("electra", "deberta-v3", "modernbert"), NARROW)
# What real checkpoints choose otherwise than their family's own default.
CASES: dict[str, tuple[str, tuple[str, ...], dict[str, Any], tuple[str, ...]]] = {
    name: (name, ("negative", "positive"), {}, applied) for name, applied in APPLIED.items()
} | {
    "modernbert, mean of all tokens": ("modernbert", ("a", "b"), {"classifier_pooling": "mean"}, ("settled-shapes",)),
    "bert, relative positions": ("bert", ("a", "b"), {"position_embedding_type": "relative_key_query"}, NARROW),
    "deberta, numbered positions": ("deberta-v2", ("a", "b"), {"position_biased_input": True}, ALL),
    "albert, two groups": ("albert", ("a", "b"), {"num_hidden_groups": 2}, ALL),
    "bert, multi-label": ("bert", ("a", "b", "c"), {"problem_type": "multi_label_classification"}, ALL),
    "roberta, regression": ("roberta", ("stars",), {"problem_type": "regression"}, ALL),
    "modernbert, multi-label": ("modernbert", ("a", "b"), {"problem_type": "multi_label_classification"}, NARROW),
}


def require_same(model: ir.Model, edited: ir.Model, batches: dict[str, Batch]) -> None:
    """Check that two graphs answer alike on every batch."""
    for name, batch in batches.items():
        before, after = run(model, batch), run(edited, batch)
        np.testing.assert_allclose(after, before, rtol=0, atol=TOLERANCE, err_msg=name)
        if before.shape[1] > 1:
            np.testing.assert_array_equal(after.argmax(axis=1), before.argmax(axis=1), err_msg=name)


@pytest.mark.parametrize("case", CASES)
def test_no_logit_of_any_family_moves(case: str) -> None:
    family, labels, config, applied = CASES[case]
    model = trace(family, labels, **config)
    edited = copied(model)
    assert edit(edited) == applied
    assert {node.domain for node in edited.graph} <= {"", "ai.onnx"}, "standard operators, for every engine"
    assert len(edited.graph) < 0.6 * len(model.graph)
    require_same(model, edited, BATCHES)
    fused = fuse_for_cpu(edited)
    assert len(fused.graph) < len(edited.graph)
    require_same(model, fused, BATCHES)


@pytest.mark.parametrize("left_out", EXACT)
def test_each_edit_can_be_left_out(left_out: str) -> None:
    model = trace("bert")
    edited = copied(model)
    assert edit(edited, (left_out,)) == tuple(name for name in ALL if name != left_out)
    require_same(model, edited, BATCHES)


def test_each_edit_by_itself_changes_no_logit() -> None:
    model = trace("roberta")
    for only in EXACT:
        edited = copied(model)
        assert edit(edited, set(EXACT) - {only}) == (only,)
        require_same(model, edited, BATCHES)


def test_nothing_is_edited_where_everything_is_left_out() -> None:
    model = trace("bert")
    edited = copied(model)
    assert edit(edited, EDITS) == ()
    require_same(model, edited, BATCHES)


def test_a_request_knows_the_edits_by_their_names() -> None:
    assert (*EXACT, CPU_FUSIONS, PACKED) == EDITS


def test_the_same_model_gives_the_same_bytes() -> None:
    models = [trace("bert") for _ in range(2)]
    for model in models:
        edit(model)
    one, other = (ir.to_proto(model).SerializeToString(deterministic=True) for model in models)
    assert one == other


def test_a_graph_that_does_not_run_is_refused_with_the_way_out() -> None:
    model = trace("bert")
    next(node for node in model.graph if node.op_type == "MatMul").op_type = "MatMull"
    with pytest.raises(GraphError, match=r"the graph edit settled-shapes failed: .*--without settled-shapes"):
        edit(copied(model))
    with pytest.raises(GraphError, match=r"ONNX Runtime refuses the graph: .*--without cpu-fusions"):
        fuse_for_cpu(model)


def test_tidying_leaves_no_constant_among_the_nodes() -> None:
    model = trace("bert")
    tidy(model)
    assert not [node for node in model.graph if node.op_type == "Constant"]


@pytest.fixture(scope="module")
def pair() -> tuple[ir.Model, ir.Model]:
    """A traced graph, and the same with everything done to it."""
    model = trace("mpnet")  # relative positions and a mask: the most that an edit can get wrong
    edited = copied(model)
    edit(edited)
    return model, fuse_for_cpu(edited)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, MAX_LENGTH), min_size=1, max_size=6), st.integers(0, 999))
def test_any_lengths_give_the_same_logits(pair: tuple[ir.Model, ir.Model], lengths: list[int], seed: int) -> None:
    batch = texts(lengths, seed=seed)
    np.testing.assert_allclose(run(pair[1], batch), run(pair[0], batch), rtol=0, atol=TOLERANCE)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, MAX_LENGTH), min_size=1, max_size=5), st.integers(0, 999))
def test_no_neighbour_and_no_padding_moves_a_logit(
    pair: tuple[ir.Model, ir.Model], lengths: list[int], seed: int
) -> None:
    batch = texts(lengths, seed=seed)
    alone = {name: array[:1, : lengths[0]] for name, array in batch.items()}
    np.testing.assert_allclose(run(pair[1], batch)[:1], run(pair[1], alone), rtol=0, atol=1e-5)
