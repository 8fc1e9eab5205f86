"""ONNX Runtime's own fusions for the CPU, less those that are slower there. Imports onnxruntime.

With the 1.31 kernels on x86-64, ``Add`` + ``LayerNormalization`` takes 0.7 ns an element and the fused
``SkipLayerNormalization`` 5.1; ``Add`` + ``Gelu`` 0.9 and ``BiasGelu`` 1.1; the attention of MatMul, Add and Softmax
is level with ``MultiHeadAttention`` or faster (docs/graph.md says how this was measured).
"""

import tempfile
from pathlib import Path

import onnx_ir as ir
import onnxruntime as ort

# MatMulAddFusion flattens every dense layer into a Gemm between two Reshapes, and int8 needs the MatMul.
SLOWER = (
    "SkipLayerNormFusion",
    "BiasSkipLayerNormFusion",
    "BiasGeluFusion",
    "EmbedLayerNormFusion",
    "AttentionFusion",
    "MatMulAddFusion",
    "GemmActivationFusion",  # its FusedGemm exists on the CPU alone
)


def fuse(model: ir.Model, without: tuple[str, ...] = SLOWER) -> ir.Model:
    """Run ONNX Runtime's graph optimiser offline.

    Args:
        model: With standard operators.
        without: Names of the optimisers to leave out.

    Returns:
        A new model, with operators of ``com.microsoft`` where a fusion applied.
    """
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.log_severity_level = 4
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fused.onnx"
        options.optimized_model_filepath = str(path)
        ort.InferenceSession(
            ir.to_proto(model).SerializeToString(),
            options,
            providers=["CPUExecutionProvider"],
            disabled_optimizers=list(without),
        )
        fused: ir.Model = ir.from_proto(ir.to_proto(ir.load(path)))  # read whole, so that the file may go
    return fused
