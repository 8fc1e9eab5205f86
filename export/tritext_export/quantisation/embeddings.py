"""Word embeddings in int8, a scale a row: most of a small model's file, read a few rows at a time."""

import numpy as np
import onnx_ir as ir

from tritext_export.edits.values import add_constant, attribute, constant, insert_before

# A smaller table is not worth three operators.
SMALLEST_BYTES = 1 << 20
LARGEST = 127


def shrink_embeddings(model: ir.Model) -> int:
    """Store every large table that rows are picked from as int8.

    Returns:
        How many tables there were.
    """
    shrunk = 0
    for node in list(model.graph):
        table = constant(node.inputs[0]) if node.op_type == "Gather" and attribute(node, "axis", 0) == 0 else None
        if table is None or table.ndim != 2 or table.dtype != np.float32 or table.nbytes < SMALLEST_BYTES:
            continue
        scale = np.maximum(np.abs(table).max(axis=1, keepdims=True), 1e-9) / LARGEST
        name, ids = node.inputs[0].name, node.inputs[1]  # type: ignore[union-attr]  # Gather has both
        rows = [
            add_constant(model.graph, f"{name}/int8", np.rint(table / scale).astype(np.int8)),
            add_constant(model.graph, f"{name}/scale", scale.astype(np.float32)),
        ]
        values, scales = (insert_before(node, "Gather", [array, ids], {"axis": 0}) for array in rows)
        wide = insert_before(node, "Cast", [values], {"to": ir.DataType.FLOAT})
        node.outputs[0].replace_all_uses_with(insert_before(node, "Mul", [wide, scales]))
        shrunk += 1
    return shrunk
