"""ONNX Runtime's fusions: those that pay are in the file, those that cost are not."""

from collections import Counter

import pytest

from tests.export.traced import trace
from tritext_export.edits.fusion import SLOWER, fuse
from tritext_export.edits.pipeline import edit, fuse_for_cpu

COSTLY = {"SkipLayerNormalization", "BiasGelu", "Attention", "EmbedLayerNormalization", "Gemm", "FusedGemm"}


@pytest.mark.parametrize("family", ["bert", "distilbert", "roberta"])
def test_gelu_is_one_operator_and_layer_norm_stands_alone(family: str) -> None:
    model = trace(family)
    edit(model)
    kinds = Counter(node.op_type for node in fuse_for_cpu(model).graph)
    assert kinds["Gelu"] == 2
    assert kinds["LayerNormalization"] == 5
    assert kinds["Erf"] == 0
    assert not COSTLY - {"Gemm"} & set(kinds)


def test_the_slow_ones_come_back_where_nothing_is_left_out() -> None:
    model = trace("bert")
    edit(model)
    kinds = {node.op_type for node in fuse(model, without=()).graph}
    assert kinds & (COSTLY - {"Gemm"}), "otherwise the list of what is left out does nothing"
    assert len(set(SLOWER)) == len(SLOWER)
