"""Is an edited graph still the traced one? Both run on drawn token ids, from one token to the longest text.

The certificate compares on real texts, and those may all be short; an edit that learnt a dimension from short probes
must not be wrong about long ones. Imports onnxruntime.
"""

import numpy as np
import numpy.typing as npt
import onnx_ir as ir
import onnxruntime as ort

from tritext_export.errors import GraphError, first_line

TOLERANCE = 1e-4


def require_same(before: ir.Model, after: ir.Model, vocabulary: int, longest: int) -> float:
    """Compare the logits of two graphs.

    Args:
        before: As it was traced.
        after: Edited.
        vocabulary: How many token ids there are.
        longest: Longest text in tokens.

    Returns:
        The largest difference of a logit.

    Raises:
        GraphError: it is over ``TOLERANCE``, for logits of size one and below; or not a number on one side alone.
    """
    sessions = [_session(model) for model in (before, after)]
    chance = np.random.default_rng(0)
    largest = 0.0
    for texts, tokens in ((1, 1), (3, 2), (5, 9), (2, longest // 2), (1, longest)):
        shape = (texts, max(1, min(tokens, longest)))
        lengths = chance.integers(1, shape[1] + 1, (texts, 1))
        arrays = {
            "input_ids": chance.integers(0, vocabulary, shape),
            "attention_mask": (np.arange(shape[1])[None] < lengths).astype(np.int64),
            "token_type_ids": np.zeros(shape, np.int64),
        }
        wanted, given = (_run(session, arrays) for session in sessions)
        difference = float(np.abs(wanted - given).max() / max(1.0, float(np.abs(wanted).max())))
        if not difference <= TOLERANCE and not np.array_equal(wanted, given, equal_nan=True):
            raise GraphError(
                f"the edited graph is off by {difference:.1e} at {shape[0]}×{shape[1]} tokens: find the edit that does "
                "not suit this model with --without, and report it"
            )
        largest = max(largest, difference)
    return largest


def _run(session: ort.InferenceSession, arrays: dict[str, npt.NDArray[np.int64]]) -> npt.NDArray[np.float32]:
    shape = arrays["input_ids"].shape
    try:
        logits: npt.NDArray[np.float32] = session.run(
            ["logits"], {i.name: arrays[i.name] for i in session.get_inputs()}
        )[0]
    except Exception as error:  # ONNX Runtime's errors share no base class
        raise GraphError(
            f"the graph does not run on {shape[0]}×{shape[1]} tokens: {first_line(error)}: find the edit that does not "
            "suit this model with --without, and report it"
        ) from error
    return logits


def _session(model: ir.Model) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    return ort.InferenceSession(ir.to_proto(model).SerializeToString(), options, providers=["CPUExecutionProvider"])
