"""Padding dropped inside the graph: no logit of any family moves, and no dense layer sees a padded place any more."""

from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.export.edits.test_pipeline import CASES, require_same
from tests.export.traced import copied, mixed_batches, run, texts, trace
from tests.families import MAX_LENGTH
from tritext_export.edits.pipeline import edit, fuse_for_cpu, pack, tidy
from tritext_export.edits.shapes import probe
from tritext_export.edits.values import constant


def packed(family: str, labels: tuple[str, ...] = ("negative", "positive"), **config: Any) -> tuple[ir.Model, ir.Model]:
    """A traced model, and the same with every edit for CPUs."""
    model = trace(family, labels, **config)
    edited = copied(model)
    edit(edited)
    fused = fuse_for_cpu(edited)
    assert pack(fused)
    return model, fused


@pytest.mark.parametrize("case", CASES)
def test_no_logit_of_any_family_moves(case: str) -> None:
    family, labels, config, _ = CASES[case]
    model, graph = packed(family, labels, **config)
    batches = mixed_batches()
    batches["holes"]["attention_mask"][:, 0] = 1  # heads read token 0, and a packed graph has no padded one
    require_same(model, graph, batches)


@pytest.mark.parametrize("family", ["bert", "distilbert", "roberta", "electra", "mpnet", "modernbert", "deberta-v3"])
def test_dense_layers_see_real_tokens_only(family: str) -> None:
    _, graph = packed(family)
    probes = probe(graph)
    dense = [n for n in graph.graph if n.op_type == "MatMul" and getattr(constant(n.inputs[1]), "ndim", 0) == 2]
    seen = [probes[str(node.inputs[0].name)].first for node in dense if node.inputs[0] is not None]
    assert seen
    rows = [shape for shape in seen if len(shape) == 3 and shape[1] > 1]
    assert not rows, f"{len(rows)} of {len(seen)} still read rows"


@pytest.fixture(scope="module")
def bert() -> tuple[ir.Model, ir.Model]:
    return packed("bert")


@settings(max_examples=40, deadline=None)
@given(lengths=st.lists(st.integers(1, MAX_LENGTH), min_size=1, max_size=6), seed=st.integers(0, 99))
def test_any_batch_has_the_logits_that_it_had(bert: tuple[ir.Model, ir.Model], lengths: list[int], seed: int) -> None:
    before, after = (run(model, texts(lengths, seed=seed)) for model in bert)
    np.testing.assert_allclose(after, before, rtol=0, atol=1e-5)


def test_padding_on_the_left_and_between_is_dropped_too(bert: tuple[ir.Model, ir.Model]) -> None:
    ids = np.arange(8, 20, dtype=np.int64).reshape(2, 6)
    mask = np.array([[0, 0, 1, 1, 1, 1], [1, 0, 1, 1, 0, 1]], np.int64)
    batch = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    before, after = (run(model, batch) for model in bert)
    # Token 0 is padding in the first text, where the head reads what nobody defined.
    np.testing.assert_allclose(after[1], before[1], rtol=0, atol=1e-5)


def test_a_graph_without_a_mask_is_left_alone() -> None:
    model = trace("bert")
    mask = next(value for value in model.graph.inputs if value.name == "attention_mask")
    mask.name = "other"
    names = [node.name for node in model.graph]
    assert not pack(model)
    tidy(model)
    assert len(model.graph) <= len(names)
