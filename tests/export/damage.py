"""Ways to spoil an exported model: an ONNX file in, the same file with one real fault planted out."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

QUANTISED_LAYER = 4


def quantise_one_layer(path: Path, factor: float = 1.0) -> None:
    """Store one matrix as int8, with a scale per column that is ``factor`` times the right one."""
    model = onnx.load(path)
    place, node = _matrices(model)[QUANTISED_LAYER]
    weight = _take(model, node.input[1])
    scale = (np.abs(weight).max(axis=0) / 127).astype(np.float32)
    quantised = np.clip(np.rint(weight / scale), -127, 127).astype(np.int8)
    name = f"planted_{place}"
    model.graph.initializer.extend(
        [
            numpy_helper.from_array(quantised, f"{name}_int8"),
            numpy_helper.from_array(scale * np.float32(factor), f"{name}_scale"),
        ]
    )
    node.input[1] = f"{name}_out"
    dequantise = helper.make_node("DequantizeLinear", [f"{name}_int8", f"{name}_scale"], [f"{name}_out"], axis=1)
    model.graph.node.insert(place, dequantise)
    onnx.save(model, path)


def round_to_half(path: Path) -> None:
    """Pass the result of every matrix product through fp16, as a GPU stores it.

    Converting the whole graph would show nothing here: ONNX Runtime has no fp16 products on the CPU, computes them in
    fp32 and leaves out the casts between them.
    """
    model = onnx.load(path)
    for place, node in reversed(_matrices(model)):
        (name,) = node.output
        node.output[0] = f"{name}_wide"
        model.graph.node.insert(place + 1, helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
        narrow = helper.make_node("Cast", [f"{name}_wide"], [f"{name}_half"], to=TensorProto.FLOAT16)
        model.graph.node.insert(place + 1, narrow)
    onnx.save(model, path)


def swap_labels(path: Path) -> None:
    """Turn the last layer's outputs around."""
    model = onnx.load(path)
    last = [node for node in model.graph.node if node.op_type == "Gemm"][-1]
    for position in (1, 2):
        weight = _take(model, last.input[position])
        model.graph.initializer.append(numpy_helper.from_array(weight[::-1].copy(), last.input[position]))
    onnx.save(model, path)


def _matrices(model: ModelProto) -> list[tuple[int, NodeProto]]:
    constants = {tensor.name for tensor in model.graph.initializer}
    nodes = enumerate(model.graph.node)
    return [(i, node) for i, node in nodes if node.op_type == "MatMul" and node.input[1] in constants]


def _take(model: ModelProto, name: str) -> npt.NDArray[np.float32]:
    """Take a constant out of the model."""
    (tensor,) = [t for t in model.graph.initializer if t.name == name]
    model.graph.initializer.remove(tensor)
    return np.asarray(numpy_helper.to_array(tensor), np.float32)
