"""Word embeddings in int8: the size saved, the error made, and the tables left alone."""

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.export.quantisation.layers import named, rows
from tests.export.traced import FloatArray, run
from tritext_export.edits.pipeline import tidy
from tritext_export.edits.values import add_constant
from tritext_export.quantisation.embeddings import LARGEST, SMALLEST_BYTES, shrink_embeddings

WIDTH = 64
ROWS = SMALLEST_BYTES // WIDTH // 4


def lookup(table: FloatArray, axis: int = 0) -> ir.Model:
    """A graph that picks rows of a table."""
    ids = ir.val("ids", ir.DataType.INT64, ("texts", "tokens"))
    graph = ir.Graph([ids], [], nodes=[], opset_imports={"": 17}, name="lookup")
    node = ir.node("Gather", [add_constant(graph, "table", table), ids], {"axis": axis})
    picked = named(node, "picked")
    graph.append(node)
    graph.append(node := ir.node("Identity", [picked]))
    logits = named(node, "logits")
    logits.type = ir.TensorType(ir.DataType.FLOAT)
    graph.outputs.append(logits)
    return ir.Model(graph, ir_version=8)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 1000), st.floats(1e-6, 1e6))
def test_every_number_is_within_half_a_step_of_its_row(seed: int, size: float) -> None:
    table = (rows(seed, ROWS, WIDTH) * size).astype(np.float32)
    table[3] = 0
    model = lookup(table)
    assert shrink_embeddings(model) == 1
    tidy(model)
    ids = np.array([[0, 3, ROWS - 1], [7, 7, 1]])
    step = np.abs(table[ids]).max(axis=-1, keepdims=True) / LARGEST
    assert (np.abs(run(model, {"ids": ids}) - table[ids]) <= step * 0.5001).all()
    assert len(ir.to_proto(model).SerializeToString()) < 0.3 * table.nbytes


@pytest.mark.parametrize(
    ("table", "axis"),
    [
        (rows(0, ROWS - 1, WIDTH), 0),
        (rows(0, WIDTH, ROWS), 1),
        (rows(0, ROWS, WIDTH).astype(np.float64), 0),
        (rows(0, ROWS, WIDTH, 1), 0),
    ],
    ids=["too small", "columns picked", "not fp32", "not a table"],
)
def test_other_tables_are_left_alone(table: FloatArray, axis: int) -> None:
    model = lookup(table, axis)
    assert shrink_embeddings(model) == 0
    assert len(model.graph) == 2


def test_a_table_that_an_output_reads_directly_keeps_the_outputs_name() -> None:
    model = lookup(rows(0, ROWS, WIDTH))
    shrink_embeddings(model)
    tidy(model)
    assert [output.name for output in model.graph.outputs] == ["logits"]
