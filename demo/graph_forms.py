"""The forms of one classifier that `make bench` compares: a checkpoint in, ONNX files out. Imports onnx, onnxruntime.

``compared`` makes what the export promises figures of; ``not_kept`` what was tried beside it. Files lie in one folder,
and the int8 exports are real ones: run again, they are found published and cost nothing.
"""

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

from tritext_export import checkpoint as checkpoints
from tritext_export.edits.fusion import SLOWER, fuse
from tritext_export.edits.pipeline import CPU_FUSIONS, PACKED, edit, fuse_for_cpu, pack, tidy
from tritext_export.encoding import IntArray
from tritext_export.export import export_model
from tritext_export.graph import export_onnx
from tritext_export.labelled import Split
from tritext_export.quantisation.dense import find_dense
from tritext_export.quantisation.observation import observe
from tritext_export.quantisation.plan import group_layers
from tritext_export.quantisation.rewriting import rewrite
from tritext_export.quantisation.schemes import STEPS, Static
from tritext_export.quantisation.weights import round_to_nearest
from tritext_export.request import EDITS, ExportRequest, Progress, Published
from tritext_export.sources import resolve

PLAIN = "fp32, plain export"
DYNAMIC = "int8, default dynamic"
EDITED = "fp32, edited"
UNEDITED_INT8 = "int8, chosen, without edits"
PADDED_INT8 = "int8, chosen, without packed"
CHOSEN = "int8, chosen"
ALL, BASIC = ort.GraphOptimizationLevel.ORT_ENABLE_ALL, ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
# Fusions that the export leaves out, by what the figures call them.
LEFT_OUT = {
    "SkipLayerNormalization": ("SkipLayerNormFusion", "BiasSkipLayerNormFusion"),
    "BiasGelu": ("BiasGeluFusion",),
    "Attention": ("AttentionFusion",),
    "Gemm": ("MatMulAddFusion",),
}


@dataclass(frozen=True, slots=True)
class Form:
    """One file, and how ONNX Runtime is to load it.

    Attributes:
        path: The ONNX file.
        level: What ONNX Runtime may change in it.
    """

    path: Path
    level: ort.GraphOptimizationLevel = BASIC


@dataclass(frozen=True, slots=True)
class Exports:
    """The checkpoint as it was traced, and the int8 versions of it that were certified and published.

    Attributes:
        traced: The plain fp32 file.
        edited: The int8 version.
        unedited: The int8 version without any edit of the graph.
        padded: The int8 version that computes padding.
    """

    traced: Path
    edited: Published
    unedited: Published
    padded: Published


def export_all(source: str, texts: Path, split: Split, folder: Path, progress: Progress) -> Exports:
    """Trace the checkpoint and export it to int8 with, without, and with all but one of the edits of the graph.

    Raises:
        ExportError: an export is refused.
    """
    folder.mkdir(parents=True, exist_ok=True)
    published = [
        export_model(
            ExportRequest(
                source,
                "sentiment",
                folder / name,
                texts,
                split,
                precision="int8",
                without=without,
            ),
            progress,
        )
        for name, without in (("edited", ()), ("unedited", EDITS), ("padded", (PACKED,)))
    ]
    progress.step("tracing the plain export")
    traced = folder / "plain"
    traced.mkdir(exist_ok=True)
    return Exports(export_onnx(checkpoints.load(resolve(source)), traced, 17), *published)


def compared(exports: Exports) -> Iterator[tuple[str, Form]]:
    """Make the forms that figures are promised of."""
    traced = exports.traced
    yield PLAIN, Form(traced, ALL)
    yield DYNAMIC, Form(_dynamic(traced), ALL)
    yield EDITED, Form(_edited(traced))
    for name in EDITS:
        yield f"fp32, without {name}", Form(_edited(traced, name))
    yield UNEDITED_INT8, Form(classifier_of(exports.unedited))
    yield PADDED_INT8, Form(classifier_of(exports.padded))
    yield CHOSEN, Form(classifier_of(exports.edited))


def not_kept(exports: Exports, calibration: Sequence[Mapping[str, IntArray]]) -> Iterator[tuple[str, Form]]:
    """Make the forms that were tried and lost.

    Args:
        exports: What they are made from.
        calibration: Padded batches of texts that nothing here is measured on.
    """
    traced = exports.traced
    for name, fusions in LEFT_OUT.items():
        path = _fused_too(traced, name, fusions)
        if _operators(path) != _operators(_edited(traced, PACKED)):  # or else the fusion found nothing in this graph
            yield f"fp32, {name} fused", Form(path)
    yield "fp32, int32 inputs", Form(_narrow_inputs(traced))
    edited = _edited(traced, PACKED)
    yield "int8, dynamic on the edited graph", Form(_dynamic(edited))
    yield "int8, static QDQ", Form(_static(edited, calibration), ALL)
    yield "int8, SmoothQuant", Form(_smooth(edited, calibration))
    yield "int8, MatMulNBits", Form(_n_bits(edited))


def classifier_of(published: Published) -> Path:
    """The ONNX file of a published version."""
    name, version = published.directory.parent.name, published.directory.name
    return published.directory.parents[1] / f"{name}_classifier" / version / "model.onnx"


def _edited(traced: Path, without: str = "") -> Path:
    path = traced.with_name(f"edited-without-{without or 'nothing'}.onnx")
    model = ir.from_proto(onnx.load(traced))
    edit(model, {without})
    model = model if without == CPU_FUSIONS else fuse_for_cpu(model)
    if without != PACKED:
        pack(model)
    ir.save(model, path)
    return path


def _fused_too(traced: Path, name: str, fusions: Sequence[str]) -> Path:
    path = traced.with_name(f"fused-{name}.onnx")
    model = ir.from_proto(onnx.load(traced))
    edit(model)
    ir.save(fuse(model, tuple(f for f in SLOWER if f not in fusions)), path)
    return path


def _operators(path: Path) -> Counter[str]:
    """Count a file's operators by kind."""
    return Counter(node.op_type for node in onnx.load(path).graph.node)


def _narrow_inputs(traced: Path) -> Path:
    """Let the graph read INT32, so that nothing need be widened before; Casts to INT64 that remain are its own."""
    path = traced.with_name("int32.onnx")
    model = ir.from_proto(onnx.load(traced))
    edit(model)
    for value in model.graph.inputs:
        value.type = ir.TensorType(ir.DataType.INT32)
    tidy(model)
    ir.save(fuse_for_cpu(model), path)
    return path


def _dynamic(source: Path) -> Path:
    path = source.with_name(f"{source.stem}-dynamic.onnx")
    known = {"DefaultTensorType": onnx.TensorProto.FLOAT}  # of what ONNX Runtime's own operators give
    quantize_dynamic(_unshaped(source), path, per_channel=True, weight_type=QuantType.QInt8, extra_options=known)
    return path


def _static(source: Path, calibration: Sequence[Mapping[str, IntArray]]) -> Path:
    """ONNX Runtime's own calibration: one range a tensor from its smallest to its largest value."""
    path = source.with_name("static.onnx")
    with tempfile.TemporaryDirectory() as folder:
        before = Path(folder) / "before.onnx"
        onnx.save(_unshaped(source), before)
        quantize_static(
            before,
            path,
            _Reader(before, calibration),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=["MatMul"],
            extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT, "MatMulConstBOnly": True},
        )
    return path


def _smooth(source: Path, calibration: Sequence[Mapping[str, IntArray]]) -> Path:
    """Every layer static, its range shared evenly between channels and weights: SmoothQuant with its usual half."""
    path = source.with_name("smooth.onnx")
    model = ir.load(source)
    groups = group_layers(find_dense(model))
    observed = observe(model, [str(group[0].input.name) for group in groups], calibration)
    for group in groups:
        seen = observed[str(group[0].input.name)]
        strongest = np.max([np.abs(dense.weights).max(axis=1) for dense in group], axis=0)
        divisor = np.sqrt(np.maximum(-seen.lowest, seen.highest) / np.maximum(strongest, 1e-5)).clip(1e-5)
        low, high = min(float((seen.lowest / divisor).min()), 0.0), float((seen.highest / divisor).max())
        scheme = Static(divisor, (high - low) / STEPS, round(-low / (high - low) * STEPS))
        rewrite(model, group, scheme, [round_to_nearest(dense.weights * divisor[:, None]) for dense in group])
    tidy(model)
    ir.save(model, path)
    return path


def _n_bits(source: Path) -> Path:
    path = source.with_name("n-bits.onnx")
    quantiser = MatMulNBitsQuantizer(onnx.load(source), bits=8, block_size=128, is_symmetric=True, accuracy_level=4)
    quantiser.process()
    onnx.save(quantiser.model.model, path)
    return path


def _unshaped(source: Path) -> onnx.ModelProto:
    """Leave out the shapes that ONNX Runtime wrote beside its fusions: some are wrong, and quantising trips on them."""
    model = onnx.load(source)
    del model.graph.value_info[:]
    return model


class _Reader(CalibrationDataReader):  # type: ignore[misc]  # ONNX Runtime brings no types
    """Batches as ONNX Runtime's calibration asks for them."""

    def __init__(self, model: Path, batches: Sequence[Mapping[str, IntArray]]) -> None:
        names = [value.name for value in onnx.load(model, load_external_data=False).graph.input]
        self._batches = [{name: batch[name] for name in names} for batch in batches]
        self.rewind()

    def rewind(self) -> None:
        """Begin again."""
        self._left = iter(self._batches)

    def get_next(self) -> dict[str, IntArray] | None:
        """Give a batch, or None when there are no more."""
        return next(self._left, None)
