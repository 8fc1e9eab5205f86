"""How a group of dense layers quantises the input that they share: plain data, and the arithmetic of it. Pure numpy.

Neither scheme looks at another token, so no label can change with the texts that share its batch:

- ``Static``: one scale for all, from calibration texts. The cheapest: one pass over the activations.
- ``PerToken``: a scale a token, from the token's own largest value: three passes, and half of the error or less where
  some tokens are far larger than others.

Both divide each input channel by a number that its weights are multiplied by, so that channels that stand out share
their range with the weights (the idea of SmoothQuant, https://arxiv.org/abs/2211.10438).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
# Steps of unsigned eight bits; a symmetric range puts zero at 128 and leaves the lowest step alone.
STEPS, HALF, ZERO = 255, 127, 128
TINY = 1e-9
_EVENING = 0.9


@dataclass(frozen=True)
class Static:
    """A fixed scale.

    Attributes:
        divisor: What each channel is divided by, FP32 [inputs]; None where that is one.
        scale: Width of a step.
        zero_point: The step that stands for zero.
        evens: Whether the divisor gives all channels much the same range.
    """

    divisor: FloatArray | None
    scale: float
    zero_point: int
    evens: bool = False

    def apply(self, inputs: FloatArray) -> FloatArray:
        """Round divided inputs [tokens, inputs] as the graph will, and give them back in fp32."""
        steps = np.clip(np.rint(inputs / self.scale) + self.zero_point, 0, STEPS)
        result: FloatArray = ((steps - self.zero_point) * np.float32(self.scale)).astype(np.float32)
        return result


@dataclass(frozen=True)
class PerToken:
    """A scale a token.

    Attributes:
        divisor: What each channel is divided by, FP32 [inputs]; None where that is one.
        floor: What no input is ever below, where its operation promises it (GELU: -0.17); all 255 steps then lie
            above it. None for a symmetric range.
        evens: Whether the divisor gives all channels much the same range.
    """

    divisor: FloatArray | None = None
    floor: float | None = None
    evens: bool = False

    def apply(self, inputs: FloatArray) -> FloatArray:
        """Round divided inputs [tokens, inputs] as the graph will, and give them back in fp32."""
        if self.floor is not None:
            scale = np.maximum((inputs - self.floor).max(axis=1, keepdims=True), TINY) / STEPS
            result: FloatArray = (np.rint((inputs - self.floor) / scale) * scale + self.floor).astype(np.float32)
            return result
        scale = np.maximum(np.abs(inputs).max(axis=1, keepdims=True), TINY) / HALF
        result = (np.rint(inputs / scale) * scale).astype(np.float32)
        return result


Scheme = Static | PerToken


def describe(scheme: Scheme | None) -> str:
    """Say in a word how a layer runs."""
    if scheme is None:
        return "fp32"
    return "static int8" if isinstance(scheme, Static) else "int8 per token"


def static_schemes(lowest: FloatArray, highest: FloatArray, weights: FloatArray) -> Iterator[Static]:
    """Propose fixed scales.

    Args:
        lowest: Smallest value of each channel on the calibration texts, FP32 [inputs].
        highest: Largest, FP32 [inputs].
        weights: FP32 [inputs, outputs] of all layers of the group.
    """
    for divisor, evens in _divisors(np.maximum(-lowest, highest), weights):
        by = 1 if divisor is None else divisor
        low, high = min(float((lowest / by).min()), 0.0), max(float((highest / by).max()), TINY)
        scale = (high - low) / STEPS
        yield Static(divisor, scale, round(-low / scale), evens)


def per_token_schemes(
    lowest: FloatArray, highest: FloatArray, weights: FloatArray, floor: float | None
) -> Iterator[PerToken]:
    """Propose scales a token; the arguments are those of ``static_schemes``, and the floor of the operation before."""
    if floor is not None:
        yield PerToken(None, floor)
        return
    for divisor, evens in _divisors(np.maximum(-lowest, highest), weights):
        yield PerToken(divisor, None, evens)


def _divisors(largest: FloatArray, weights: FloatArray) -> Iterator[tuple[FloatArray | None, bool]]:
    """Propose ways to share the range between channels and weights, from none to all of it, and say which one evens."""
    yield None, False
    largest, strongest = np.maximum(largest, 1e-4), np.maximum(np.abs(weights).max(axis=1), 1e-5)
    for power in (0.7, 0.8, 0.9, 1.0):
        shared = largest**power / strongest ** (1 - power)
        yield (shared / shared.max()).astype(np.float32), power == _EVENING
    # Only the channels that stand out: all others, and the precision of their weights, stay as they are.
    for cap in np.geomspace(np.median(largest) * 0.7, largest.max(), 8)[:-1]:
        excess = np.maximum(largest / cap, 1)
        yield excess.astype(np.float32), False
        yield np.sqrt(excess).astype(np.float32), False
