"""The files of the candidates: what is in them, and what keeps one from being made."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from tests.conftest import Silent
from tests.export.traced import WIDE, run, texts, trace
from tritext_export import variants as forms
from tritext_export.candidates import Candidate
from tritext_export.edits.values import attribute
from tritext_export.encoding import Encoded
from tritext_export.errors import GraphError, TextsError
from tritext_export.quantisation import embeddings, quantiser
from tritext_export.request import EDITS
from tritext_export.variants import LEAST_CALIBRATION_TEXTS, Traced, Variants

FP32, INT8 = Candidate("fp32", "cpu", "fp32"), Candidate("int8", "cpu", "int8")
GPU, HALF = Candidate("fp32", "gpu", "fp32"), Candidate("fp16", "gpu", "fp16")


def tokens(count: int) -> list[Encoded]:
    """Texts to calibrate on."""
    chance = np.random.default_rng(0)
    return [Encoded([2, *chance.integers(5, 40, n % 20).tolist(), 3], [0] * (2 + n % 20)) for n in range(count)]


def variants(
    folder: Path, without: Sequence[str] = (), calibration: int = 48, wide: bool = True, broken: bool = False
) -> Variants:
    """All forms of a small model."""
    model = trace("bert", **(WIDE if wide else {}))
    if broken:
        next(node for node in model.graph if node.op_type == "MatMul").op_type = "MatMull"
    path = folder / "model.onnx"
    ir.save(model, path)
    return Variants(Traced(path, 0, 40, 64), lambda: tokens(calibration), "softmax", without, Silent())


def operators(path: Path) -> set[str]:
    """Kinds of nodes in a file."""
    return {node.op_type for node in onnx.load(path).graph.node}


def test_fp32_for_a_cpu_is_edited_and_fused(tmp_path: Path) -> None:
    variant = variants(tmp_path).build(FP32, 1.0)
    assert variant.edits == EDITS
    assert variant.layers == {}
    assert variant.path == variant.certified
    assert "Gelu" in operators(variant.path)
    onnx.checker.check_model(onnx.load(variant.path))
    batch = texts([3, 17])
    saved = ir.load(variant.path)
    np.testing.assert_allclose(run(saved, batch), run(trace("bert", **WIDE), batch), atol=1e-4)


def test_fp32_for_a_gpu_has_standard_operators_only(tmp_path: Path) -> None:
    variant = variants(tmp_path).build(GPU, 1.0)
    assert variant.edits == EDITS[:-2]
    assert {node.domain for node in onnx.load(variant.path).graph.node} == {""}


def test_fp16_is_asked_through_its_emulation(tmp_path: Path) -> None:
    variant = variants(tmp_path).build(HALF, 0.998)
    assert variant.edits == (*EDITS[:-2], "fp16")
    assert variant.path != variant.certified
    assert variant.path.stat().st_size < 0.7 * variant.certified.stat().st_size


def test_int8_names_its_layers(tmp_path: Path) -> None:
    made = variants(tmp_path)
    variant, whole = made.build(INT8, 0.9), made.build(FP32, 1.0)
    assert variant.edits == EDITS, "a table this small is not worth shrinking"
    assert set(variant.layers.values()) & {"static int8", "int8 per token"}
    assert "MatMulIntegerToFloat" in operators(variant.path)
    assert variant.path.stat().st_size < 0.7 * whole.path.stat().st_size
    assert variant.path != whole.path


def test_every_edit_may_be_left_out(tmp_path: Path) -> None:
    variant = variants(tmp_path, without=EDITS).build(FP32, 1.0)
    assert variant.edits == ()
    assert "Gelu" not in operators(variant.path)


def test_padding_is_kept_where_the_answer_hangs_on_it(tmp_path: Path) -> None:
    model = trace("bert", **WIDE)
    first = next(n for n in model.graph if n.op_type == "Gather" and attribute(n, "axis", 0) == 1)
    mean = ir.node("ReduceMean", [first.inputs[0]], {"axes": [1], "keepdims": 0})
    mean.outputs[0].name = "mean"
    model.graph.insert_before(first, mean)
    first.outputs[0].replace_all_uses_with(mean.outputs[0])
    path = tmp_path / "model.onnx"
    ir.save(model, path)
    variant = Variants(Traced(path, 0, 40, 64), list, "softmax", (), Silent()).build(FP32, 1.0)
    assert variant.edits == ("settled-shapes", "narrow-mask", "cpu-fusions")
    batch = texts([3, 17])
    np.testing.assert_allclose(run(ir.load(variant.path), batch), run(ir.load(path), batch), atol=1e-4)


def test_embeddings_stay_in_fp32_where_they_are_asked_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embeddings, "SMALLEST_BYTES", 1)
    small, whole = (
        variants(tmp_path, without=without).build(INT8, 0.9).edits for without in ((), ("int8-embeddings",))
    )
    assert small == (*EDITS[:-1], "int8-embeddings", "packed")
    assert whole == EDITS


def test_the_search_is_kept_and_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, cache = tmp_path / "model.onnx", tmp_path / "cache"
    ir.save(trace("bert", **WIDE), model)

    def build(count: int = 48, without: Sequence[str] = ()) -> bytes:
        made = Variants(Traced(model, 0, 40, 64), lambda: tokens(count), "softmax", without, Silent(), cache)
        return made.build(INT8, 0.9).path.read_bytes()

    first = build()
    assert build(without=("int8-embeddings",)) == first, "a table this small stays in fp32, and the search is the same"
    assert len(list((cache / "int8").iterdir())) == 1
    for number, other in enumerate(
        (build(64), build(without=("int8-gptq",)), build(without=("first-token",))), start=2
    ):
        assert other != first, number
    assert len(list((cache / "int8").iterdir())) == 4
    monkeypatch.setattr(quantiser, "choose_schemes", None)
    assert build() == first


@pytest.mark.parametrize("count", [0, LEAST_CALIBRATION_TEXTS - 1])
def test_too_few_texts_to_calibrate_on_are_counted(tmp_path: Path, count: int) -> None:
    words = f"at least {LEAST_CALIBRATION_TEXTS} texts to calibrate on.* there are {count}: give more --texts, or use"
    with pytest.raises(TextsError, match=words):
        variants(tmp_path, calibration=count).build(INT8, 0.99)


def test_nothing_is_calibrated_for_fp32(tmp_path: Path) -> None:
    assert variants(tmp_path, calibration=0).build(FP32, 1.0).edits == EDITS


def test_a_model_too_small_for_int8_says_so(tmp_path: Path) -> None:
    with pytest.raises(GraphError, match=r"int8: .*no matrix of 64 × 64 or more.*--precision fp32"):
        variants(tmp_path, wide=False).build(INT8, 0.99)


def test_a_graph_that_does_not_run_is_no_trace(tmp_path: Path) -> None:
    with pytest.raises(GraphError, match="the graph edit settled-shapes failed"):
        variants(tmp_path, broken=True).build(FP32, 1.0)


def test_a_graph_that_no_onnx_file_holds_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.onnx").write_bytes(b"x" * 40)
    (tmp_path / "model.onnx_data").write_bytes(b"x" * 70)
    forms.require_one_file(tmp_path / "model.onnx")
    monkeypatch.setattr(forms, "LARGEST_FILE", 100)
    with pytest.raises(GraphError, match="one ONNX file holds 2 GiB"):
        forms.require_one_file(tmp_path / "model.onnx")
