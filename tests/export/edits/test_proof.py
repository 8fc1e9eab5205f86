"""The proof of an edited graph: nothing moved passes, anything that moved is named."""

import numpy as np
import onnx_ir as ir
import pytest

from tests.export.traced import copied, trace
from tritext_export.edits.pipeline import edit
from tritext_export.edits.proof import TOLERANCE, require_same
from tritext_export.edits.shapes import PROBES
from tritext_export.edits.values import add_constant, constant
from tritext_export.errors import GraphError

VOCABULARY, LONGEST = 40, 64


def test_the_exact_edits_pass() -> None:
    model = trace("bert")
    edited = copied(model)
    edit(edited)
    assert 0 < require_same(model, edited, VOCABULARY, LONGEST) < TOLERANCE


def test_a_graph_is_itself() -> None:
    model = trace("bert")
    assert require_same(model, copied(model), VOCABULARY, LONGEST) == 0


def test_an_answer_that_moved_is_found() -> None:
    model = trace("bert")
    edited = copied(model)
    bias = edited.graph.initializers["classifier.bias"]
    assert bias.const_value is not None
    bias.const_value = ir.tensor(bias.const_value.numpy() + np.float32(0.01), name=bias.name)
    with pytest.raises(GraphError, match=r"off by \S+ at 1×1 tokens: find the edit .* with --without"):
        require_same(model, edited, VOCABULARY, LONGEST)


def test_a_length_that_an_edit_took_for_fixed_is_found() -> None:
    """A Reshape that names one of the probes' lengths runs at that length and at no other."""
    model = trace("bert")
    edited = copied(model)
    edit(edited)
    reshape = next(node for node in edited.graph if node.op_type == "Reshape")
    target = constant(reshape.inputs[1])
    assert target is not None
    wrong = np.where(np.arange(len(target)) == 1, PROBES[0][1], target)
    reshape.replace_input_with(1, add_constant(edited.graph, "wrong", wrong))
    with pytest.raises(GraphError, match=r"the graph does not run on 1×1 tokens: .*Reshape.* with --without"):
        require_same(model, edited, VOCABULARY, LONGEST)


def test_a_graph_that_gives_no_number_on_both_sides_is_no_editors_fault() -> None:
    model = trace("bert")
    bias = model.graph.initializers["classifier.bias"]
    bias.const_value = ir.tensor(np.full(2, np.nan, np.float32), name=bias.name)
    edited = copied(model)
    edit(edited)
    require_same(model, edited, VOCABULARY, LONGEST)
