"""The attention mask: what is left of its shape, and the Expand that must stay."""

import numpy as np
import onnx_ir as ir
import pytest

from tests.export.traced import run, texts, trace
from tritext_export.edits.mask import narrow_mask
from tritext_export.edits.pipeline import tidy
from tritext_export.edits.shapes import settle_shapes


@pytest.mark.parametrize("family", ["bert", "distilbert", "roberta", "mpnet", "albert"])
def test_no_mask_is_written_out(family: str) -> None:
    model = trace(family)
    tidy(model)
    settle_shapes(model)
    tidy(model)
    assert narrow_mask(model) >= 1
    tidy(model)
    assert narrow_mask(model) == 0


def expanding(reader: str) -> ir.Model:
    """A graph whose mask is expanded and then read by one operation, beside a value of the full shape."""
    mask, ids = (ir.val(name, ir.DataType.INT64, ("texts", "tokens")) for name in ("attention_mask", "input_ids"))
    shape = ir.node("Shape", [ids])
    row = ir.node("ReduceMax", [mask], {"axes": [1], "keepdims": 1})
    wide = ir.node("Expand", [row.outputs[0], shape.outputs[0]])
    read = ir.node(reader, [wide.outputs[0], ids], {"axis": 1} if reader == "Concat" else {})
    result = ir.node("Cast", [read.outputs[0]], {"to": ir.DataType.FLOAT})
    nodes = [shape, row, wide, read, result]
    for number, node in enumerate(nodes):
        node.outputs[0].name = "logits" if node is result else f"value_{number}"
    result.outputs[0].type = ir.TensorType(ir.DataType.FLOAT)
    graph = ir.Graph([mask, ids], [result.outputs[0]], nodes=nodes, opset_imports={"": 17}, name="expanding")
    return ir.Model(graph, ir_version=8)


@pytest.mark.parametrize(("reader", "needless"), [("Add", 1), ("Mul", 1), ("Concat", 0)])
def test_only_what_broadcasts_does_without(reader: str, needless: int) -> None:
    model = expanding(reader)
    batch = texts([5] * 4)
    before = run(model, batch)
    assert narrow_mask(model) == needless
    np.testing.assert_array_equal(run(model, batch), before)
