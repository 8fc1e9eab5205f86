"""Names in a graph: nothing is overwritten, whatever is there already."""

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tritext_export.edits.values import add_constant, constant, insert_before, only_consumer, scalar


def graph() -> ir.Graph:
    """One node on one input."""
    x = ir.val("x", ir.DataType.FLOAT, (2,))
    node = ir.node("Relu", [x])
    node.name = node.outputs[0].name = "y"
    return ir.Graph([x], [node.outputs[0]], nodes=[node], opset_imports={"": 17}, name="small")


@given(st.lists(st.sampled_from(["a", "a_1", "a_2", "a_3", "b"]), max_size=12))
def test_every_constant_keeps_its_own_content(names: list[str]) -> None:
    made = graph()
    values = [add_constant(made, name, np.array(number)) for number, name in enumerate(names)]
    assert len(made.initializers) == len(names)
    assert [scalar(value) for value in values] == list(range(len(names)))


def test_inserted_nodes_have_names_of_their_own() -> None:
    made = graph()
    anchor = made[0]
    outputs = [insert_before(anchor, "Neg", [made.inputs[0]]) for _ in range(5)]
    assert len({str(output.name) for output in outputs}) == 5
    assert [node.op_type for node in made] == ["Neg"] * 5 + ["Relu"]


def test_what_is_computed_is_no_constant() -> None:
    made = graph()
    assert constant(made[0].outputs[0]) is constant(made.inputs[0]) is constant(None) is None
    assert scalar(add_constant(made, "two", np.arange(2))) is None
    assert scalar(add_constant(made, "one", np.array([[3.5]]))) == 3.5


@pytest.mark.parametrize("readers", [0, 1, 2])
def test_the_only_reader_is_the_only_one(readers: int) -> None:
    made = graph()
    value = add_constant(made, "c", np.zeros(2, np.float32))
    nodes = [ir.node("Neg", [value]) for _ in range(readers)]
    made.extend(nodes)
    assert only_consumer(value) is (nodes[0] if readers == 1 else None)
    assert only_consumer(made[0].outputs[0]) is None, "it leaves the graph"
