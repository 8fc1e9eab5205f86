"""What two runs say of dimensions, and the shapes that are written down for it."""

import numpy as np
import onnx_ir as ir
import pytest

from tests.export.traced import run, texts, trace
from tests.families import FAMILIES
from tritext_export.edits.pipeline import tidy
from tritext_export.edits.shapes import PROBES, probe, settle_shapes
from tritext_export.edits.values import constant


def test_inputs_and_hidden_states_follow_the_batch() -> None:
    seen = probe(trace("bert"))
    assert (seen["input_ids"].first, seen["input_ids"].second) == PROBES
    (first, second) = ((*shape, 32) for shape in PROBES)
    assert (first, second) in {(each.first, each.second) for each in seen.values()}


def test_the_probes_tell_every_dimension_apart() -> None:
    numbers = [n for shape in PROBES for n in shape]
    assert len(set(numbers)) == len(numbers)
    assert all(a == b or a % b for a in numbers for b in numbers if b > 1)


@pytest.mark.parametrize("family", sorted(set(FAMILIES) - {"deberta-v2", "deberta-v3"}))
def test_every_reshape_has_a_constant_target(family: str) -> None:
    model = trace(family)
    tidy(model)
    assert settle_shapes(model)
    tidy(model)
    reshapes = [node for node in model.graph if node.op_type == "Reshape"]
    assert reshapes
    assert all(constant(node.inputs[1]) is not None for node in reshapes)
    assert settle_shapes(model) == 0


def test_a_number_that_the_text_decides_is_not_written_down() -> None:
    """Both probes hold the same tokens, so a sum over one position is alike in both; it is no shape for all that."""
    ids = ir.val("input_ids", ir.DataType.INT64, ("texts", "tokens"))
    nodes = [
        ir.node("ReduceMax", [ids], {"keepdims": 0}),
    ]
    nodes.append(ir.node("Cast", [nodes[0].outputs[0]], {"to": ir.DataType.FLOAT}))
    nodes[0].outputs[0].name = "largest"
    nodes[1].outputs[0].name = "logits"
    nodes[1].outputs[0].type = ir.TensorType(ir.DataType.FLOAT)
    graph = ir.Graph([ids], [nodes[1].outputs[0]], nodes=nodes, opset_imports={"": 17}, name="sum")
    model = ir.Model(graph, ir_version=8)
    assert settle_shapes(model) == 0
    batch = texts([4])
    assert run(model, batch) == np.float32(batch["input_ids"].max())
