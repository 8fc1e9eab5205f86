"""Which exact edits there are, and their order: a traced model in, the edited one and the names of what applied out."""

from collections.abc import Callable, Collection, Mapping

import onnx_ir as ir
from onnx_ir.passes import common as passes

from tritext_export.edits.first_token import keep_first_token
from tritext_export.edits.mask import narrow_mask
from tritext_export.edits.packing import pack_tokens
from tritext_export.edits.shapes import settle_shapes
from tritext_export.errors import GraphError, first_line

Edit = Callable[[ir.Model], int]
# In their order. These leave standard operators only, which every engine reads.
EXACT: Mapping[str, Edit] = {
    "settled-shapes": settle_shapes,
    "narrow-mask": narrow_mask,
    "first-token": keep_first_token,
}
# ONNX Runtime's own fusions, less the slow ones; the graph is for CPUs then.
CPU_FUSIONS = "cpu-fusions"
# Padding dropped inside; after everything else, and for CPUs only: an engine with profiles wants shapes that it knows.
PACKED = "packed"


def edit(model: ir.Model, without: Collection[str] = ()) -> tuple[str, ...]:
    """Apply the exact edits in place.

    Args:
        model: As it was traced.
        without: Names of edits to leave out.

    Returns:
        Names of those that found something to change.

    Raises:
        GraphError: the graph does not run, or an edit fails on it.
    """
    tidy(model)
    applied = []
    for name, change in EXACT.items():
        if name in without:
            continue
        if _apply(name, change, model):
            applied.append(name)
    return tuple(applied)


def fuse_for_cpu(model: ir.Model) -> ir.Model:
    """Run ONNX Runtime's fusions that pay on a CPU.

    Raises:
        GraphError: ONNX Runtime refuses the graph.
    """
    from tritext_export.edits.fusion import fuse

    try:
        fused = fuse(model)
    except Exception as error:  # ONNX Runtime's errors share no base class
        raise GraphError(
            f"ONNX Runtime refuses the graph: {first_line(error)}: leave the fusions out with --without {CPU_FUSIONS}"
        ) from error
    tidy(fused)
    return fused


def pack(model: ir.Model) -> bool:
    """Drop padding inside the graph, in place.

    Returns:
        Whether there was anything to change.

    Raises:
        GraphError: the graph does not run, or the edit fails on it.
    """
    return _apply(PACKED, pack_tokens, model)


def _apply(name: str, change: Edit, model: ir.Model) -> bool:
    """Make one edit, tell whether there was anything to change, and name it where it fails."""
    try:
        found = change(model)
    except Exception as error:  # ONNX Runtime's and the graph library's errors share no base class
        raise GraphError(
            f"the graph edit {name} failed: {first_line(error)}: leave it out with --without {name}"
        ) from error
    if found:
        tidy(model)
    return bool(found)


def tidy(model: ir.Model) -> None:
    """Make constants initialisers, compute nothing twice, keep nothing that nobody reads."""
    passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    passes.CommonSubexpressionEliminationPass()(model)
    passes.RemoveUnusedNodesPass()(model)
    passes.RemoveUnusedOpsetsPass()(model)
