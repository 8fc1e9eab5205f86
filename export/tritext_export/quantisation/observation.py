"""What dense layers read on real texts: a model and batches in, the statistics of each layer's input out.

Imports onnxruntime. Padded positions are left out: nothing of them reaches an answer.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir
import onnxruntime as ort

from tritext_export.edits.values import Array
from tritext_export.errors import GraphError
from tritext_export.quantisation.weights import FloatArray

# Rows kept of each input to try schemes on.
SAMPLE_ROWS = 512
_ROWS_A_BATCH = 32


@dataclass
class Observed:
    """One value over all calibration texts.

    Attributes:
        lowest: Smallest number of each channel, FP32 [inputs].
        highest: Largest, FP32 [inputs].
        second_moment: Sum of x xᵀ over all tokens x, FP32 [inputs, inputs].
        tokens: How many there were.
        samples: Some of them, FP32 [tokens, inputs] each.
    """

    lowest: FloatArray
    highest: FloatArray
    second_moment: FloatArray
    tokens: int = 0
    samples: list[FloatArray] = field(default_factory=list)

    @property
    def rows(self) -> FloatArray:
        """A sample of tokens, spread over the texts."""
        rows = np.concatenate(self.samples)
        return rows[:: max(1, len(rows) // SAMPLE_ROWS)][:SAMPLE_ROWS]

    def add(self, tokens: FloatArray, chance: np.random.Generator) -> None:
        """Take in the tokens of one batch."""
        self.lowest = np.minimum(self.lowest, tokens.min(axis=0))
        self.highest = np.maximum(self.highest, tokens.max(axis=0))
        self.second_moment += tokens.T @ tokens
        self.tokens += len(tokens)
        self.samples.append(tokens[chance.permutation(len(tokens))[:_ROWS_A_BATCH]])


def observe(model: ir.Model, values: Sequence[str], batches: Iterable[Mapping[str, Array]]) -> dict[str, Observed]:
    """Run batches and gather what the named values were.

    Args:
        model: With every value named that is asked for.
        values: Names of FP32 values [texts, tokens, channels], or [texts, 1, channels] for the first token's own.
        batches: The model's inputs, ``attention_mask`` among them.

    Raises:
        GraphError: a value is no number.
    """
    watched = ir.from_proto(ir.to_proto(model))
    by_name = {output.name: output for node in watched.graph for output in node.outputs}
    watched.graph.outputs.clear()
    watched.graph.outputs.extend(by_name[name] for name in values)
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    session = ort.InferenceSession(
        ir.to_proto(watched).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    inputs = [node.name for node in session.get_inputs()]
    chance = np.random.default_rng(0)
    found: dict[str, Observed] = {}
    for batch in batches:
        real = batch["attention_mask"].astype(bool)
        for name, array in zip(values, session.run(list(values), {name: batch[name] for name in inputs}), strict=True):
            by_token = array.ndim == 3 and array.shape[:2] == real.shape
            tokens = array[real] if by_token else array.reshape(-1, array.shape[-1])
            if not np.isfinite(tokens).all():
                raise GraphError(f"int8: {name} is NaN or infinity on a calibration text: mend the checkpoint")
            _gather(found, name, tokens).add(tokens, chance)
    return found


def _gather(found: dict[str, Observed], name: str, tokens: FloatArray) -> Observed:
    if name not in found:
        width = tokens.shape[-1]
        found[name] = Observed(
            np.full(width, np.inf, np.float32),
            np.full(width, -np.inf, np.float32),
            np.zeros((width, width), np.float32),
        )
    return found[name]
