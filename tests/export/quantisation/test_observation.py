"""What is watched of real texts: tokens without their padding, and values that have no axis of tokens."""

import numpy as np
import numpy.typing as npt
import onnx_ir as ir
from onnx import TensorProto, helper, numpy_helper

from tritext_export.quantisation.observation import observe

WIDTH = 8


def model() -> ir.Model:
    """Embeddings [texts, tokens, 8], and of each text their first [texts, 8]."""
    table = np.arange(30 * WIDTH, dtype=np.float32).reshape(30, WIDTH)
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["tokens"]),
        helper.make_node("Gather", ["tokens", "zero"], ["pooled"], axis=1),
        helper.make_node("Identity", ["pooled"], ["logits"]),
    ]
    inputs = [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["texts", "tokens"])]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["texts", WIDTH])]
    constants = [numpy_helper.from_array(table, "table"), numpy_helper.from_array(np.array(0), "zero")]
    graph = helper.make_graph(nodes, "small", inputs, outputs, constants)
    made: ir.Model = ir.from_proto(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9))
    return made


def batch(texts: int, tokens: int, real: int) -> dict[str, npt.NDArray[np.int64]]:
    ids = np.arange(texts * tokens).reshape(texts, tokens) % 30
    return {"input_ids": ids, "attention_mask": (np.arange(tokens) < real).astype(np.int64) * np.ones_like(ids)}


def test_padding_is_left_out() -> None:
    seen = observe(model(), ["tokens"], [batch(2, 5, 3), batch(1, 4, 4)])["tokens"]
    assert seen.tokens == 2 * 3 + 4
    assert seen.second_moment.shape == (WIDTH, WIDTH)


def test_a_text_as_long_as_a_layer_is_wide_is_no_mask_of_channels() -> None:
    """[texts, 8] beside a mask [texts, 8]."""
    seen = observe(model(), ["pooled"], [batch(3, WIDTH, 5), batch(2, 4, 4)])["pooled"]
    assert seen.tokens == 3 + 2
    assert seen.rows.shape[1] == WIDTH
