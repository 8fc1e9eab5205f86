"""The operations of a graph, against what its shape says."""

import onnx_ir as ir
import pytest
from onnx import TensorProto, helper

from tests.export.encoders import encoder
from tritext_export.edits.pipeline import edit
from tritext_export.errors import GraphError
from tritext_export.roofline import Operations, count_operations, measure_peak

# Of the small encoders: hidden, feed-forward, layers.
WIDTH, INNER, LAYERS = 32, 64, 2
A_LAYER = 2 * (4 * WIDTH * WIDTH + 2 * WIDTH * INNER)
ATTENTION = 2 * 2 * WIDTH


@pytest.mark.parametrize("family", ["bert", "distilbert", "roberta", "mpnet"])
def test_operations_are_those_of_the_shape(family: str) -> None:
    found = count_operations(ir.from_proto(encoder(family)))
    assert found.linear == LAYERS * A_LAYER
    assert found.square == LAYERS * ATTENTION
    assert 2 * WIDTH * 2 <= found.fixed <= 2 * WIDTH * (WIDTH + 2), "the head, and for some a pooling layer"


def test_the_last_layer_of_the_first_token_alone_is_counted_as_such() -> None:
    model = ir.from_proto(encoder("bert"))
    whole = count_operations(model)
    edit(model)
    found = count_operations(model)
    keys_and_values = 2 * 2 * WIDTH * WIDTH
    assert found.square == ATTENTION
    assert found.linear == A_LAYER + keys_and_values + ATTENTION
    assert found.fixed == whole.fixed + A_LAYER - keys_and_values


def test_operations_add_up_over_texts() -> None:
    assert Operations(1.0, 10.0, 100.0).of([]) == 0
    assert Operations(1.0, 10.0, 100.0).of([1, 3]) == 111 + 931


def test_a_product_that_mixes_texts_is_refused_by_its_name() -> None:
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["input_ids"], ["numbers"], to=TensorProto.FLOAT),
            helper.make_node("Transpose", ["numbers"], ["turned"]),
            helper.make_node("MatMul", ["numbers", "turned"], ["among"], name="among_texts"),
            helper.make_node("Identity", ["among"], ["logits"]),
        ],
        "mixing",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["texts", "tokens"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["texts", "texts"])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    with pytest.raises(GraphError, match="among_texts"):
        count_operations(ir.from_proto(model))


def test_a_core_multiplies_matrices_faster_than_python_counts() -> None:
    assert measure_peak(runs=1) > 1e8
