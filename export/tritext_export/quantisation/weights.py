"""Weights to int8, a scale an output column. Pure numpy.

``round_optimally`` is GPTQ (Frantar et al., 2023, https://arxiv.org/abs/2210.17323): each input's rounding error is
made good by the weights not yet rounded, weighed by how inputs go together in real texts.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
LARGEST = 127
# Share of the mean squared input that is added to every input's own, so that the inverse exists (the paper's).
DAMPING = 0.01
_BLOCK = 128
# A column of weights below it is nought: its scale would not be a normal number.
_SMALLEST = 256 * float(np.finfo(np.float32).tiny)


@dataclass(frozen=True, slots=True)
class Int8Weights:
    """A quantised matrix.

    Attributes:
        values: INT8 [inputs, outputs].
        scale: FP32 [outputs]; a weight is its value times its column's scale.
    """

    values: npt.NDArray[np.int8]
    scale: FloatArray

    def dequantise(self) -> FloatArray:
        """Give the weights back, FP32 [inputs, outputs]."""
        result: FloatArray = self.values.astype(np.float32) * self.scale
        return result


def round_to_nearest(weights: FloatArray) -> Int8Weights:
    """Round every weight by itself.

    Args:
        weights: FP32 [inputs, outputs].
    """
    scale = _scale(weights)
    return Int8Weights(_rounded(weights / scale), scale)


def round_optimally(weights: FloatArray, second_moment: FloatArray) -> Int8Weights:
    """Round so that the products with real inputs change least.

    Args:
        weights: FP32 [inputs, outputs].
        second_moment: FP32 [inputs, inputs], the sum of x xᵀ over real inputs x.

    Returns:
        The weights rounded to nearest where the inputs seen cannot tell the way.
    """
    scale = _scale(weights)
    moment = second_moment.astype(np.float64)
    moment[np.diag_indices_from(moment)] += DAMPING * max(float(moment.trace()) / len(moment), 1e-12)
    order = np.argsort(-moment.diagonal(), kind="stable")
    try:
        factor = _inverse_factor(moment[np.ix_(order, order)])
    except np.linalg.LinAlgError:
        return round_to_nearest(weights)
    remaining = (weights / scale)[order].astype(np.float64)
    rounded = np.empty(weights.shape, np.int8)
    for start in range(0, len(remaining), _BLOCK):
        end = min(start + _BLOCK, len(remaining))
        errors = np.empty((end - start, remaining.shape[1]))
        for row in range(start, end):
            rounded[order[row]] = _rounded(remaining[row])
            errors[row - start] = (remaining[row] - rounded[order[row]]) / factor[row, row]
            remaining[row + 1 : end] -= np.outer(factor[row, row + 1 : end], errors[row - start])
        remaining[end:] -= factor[start:end, end:].T @ errors
    return Int8Weights(rounded, scale)


def _inverse_factor(moment: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The upper Cholesky factor of the inverse."""
    inverse = np.linalg.inv(moment)
    factor: npt.NDArray[np.float64] = np.linalg.cholesky((inverse + inverse.T) / 2).T
    return factor


def _scale(weights: FloatArray) -> FloatArray:
    largest = np.abs(weights).max(axis=0)
    scale: FloatArray = np.where(largest > _SMALLEST, largest / LARGEST, 1).astype(np.float32)
    return scale


def _rounded(values: npt.NDArray[np.floating]) -> npt.NDArray[np.int8]:  # type: ignore[type-arg]  # of any width
    result: npt.NDArray[np.int8] = np.clip(np.rint(values), -LARGEST, LARGEST).astype(np.int8)
    return result
