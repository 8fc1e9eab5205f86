"""What the search learnt of a group of layers, as arrays that a file can hold, and back. Pure numpy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tritext_export.edits.values import Array
from tritext_export.quantisation.dense import Dense
from tritext_export.quantisation.observation import Observed
from tritext_export.quantisation.schemes import PerToken, Scheme, Static
from tritext_export.quantisation.weights import Int8Weights

_STATIC, _PER_TOKEN = 0, 1
_NOTHING = np.zeros(0, np.float32)
_OBSERVED = ("lowest", "highest", "second_moment", "tokens", "rows")


@dataclass(frozen=True)
class Way:
    """One way to run a group on int8, tried.

    Attributes:
        scheme: How its input is quantised.
        noise: Variance that it adds to the decisions' margins.
        weights: Of each layer, rounded.
    """

    scheme: Scheme
    noise: float
    weights: tuple[Int8Weights, ...]


@dataclass(frozen=True)
class Tried:
    """All that is known of a group once it has been tried.

    Attributes:
        tokens: How many the calibration texts gave it.
        ways: Every option but fp32.
    """

    tokens: int
    ways: tuple[Way, ...]

    def to_arrays(self) -> dict[str, Array]:
        """Give it as arrays by name."""
        arrays: dict[str, Array] = {"tokens": np.array(self.tokens), "ways": np.array(len(self.ways))}
        for number, way in enumerate(self.ways):
            divisor = _NOTHING if way.scheme.divisor is None else way.scheme.divisor
            arrays |= {f"{number}/noise": np.array(way.noise), f"{number}/divisor": divisor}
            arrays[f"{number}/scheme"] = np.array(_numbers(way.scheme), np.float64)
            for layer, each in enumerate(way.weights):
                arrays |= {f"{number}/{layer}/values": each.values, f"{number}/{layer}/scale": each.scale}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array], group: Sequence[Dense]) -> "Tried":
        """Read it back.

        Raises:
            KeyError: an array is missing.
            ValueError: one has another shape or type than the group's layers ask for.
        """
        ways = tuple(_way(arrays, number, group) for number in range(int(arrays["ways"])))
        return cls(int(arrays["tokens"]), ways)


def observed_to_arrays(observed: Observed) -> dict[str, Array]:
    """Give what was watched as arrays by name."""
    return {name: np.asarray(getattr(observed, name)) for name in _OBSERVED}


def observed_from_arrays(arrays: Mapping[str, Array], width: int) -> Observed:
    """Read it back.

    Raises:
        KeyError: an array is missing.
        ValueError: one is not of the layers' width.
    """
    lowest, highest, rows = (_checked(arrays[name], (width,), np.float32) for name in ("lowest", "highest", "rows"))
    moment = _checked(arrays["second_moment"], (width, width), np.float32)
    return Observed(lowest, highest, moment, int(arrays["tokens"]), [rows])


def _numbers(scheme: Scheme) -> tuple[float, float, float, float]:
    """Kind, evens, and two numbers of the kind's own."""
    if isinstance(scheme, Static):
        return _STATIC, scheme.evens, scheme.scale, scheme.zero_point
    return _PER_TOKEN, scheme.evens, np.nan if scheme.floor is None else scheme.floor, 0


def _way(arrays: Mapping[str, Array], number: int, group: Sequence[Dense]) -> Way:
    kind, evens, first, second = _checked(arrays[f"{number}/scheme"], (4,), np.float64).tolist()
    inputs = group[0].weights.shape[0]
    stored = arrays[f"{number}/divisor"]
    divisor = _checked(stored, (inputs,), np.float32) if stored.size else None
    scheme: Scheme
    if kind == _STATIC:
        scheme = Static(divisor, first, int(second), bool(evens))
    else:
        scheme = PerToken(divisor, None if np.isnan(first) else first, bool(evens))
    weights = tuple(
        Int8Weights(
            _checked(arrays[f"{number}/{layer}/values"], dense.weights.shape, np.int8),
            _checked(arrays[f"{number}/{layer}/scale"], dense.weights.shape[1:], np.float32),
        )
        for layer, dense in enumerate(group)
    )
    return Way(scheme, float(arrays[f"{number}/noise"]), weights)


def _checked(array: Array, shape: tuple[int, ...], kind: type[np.generic]) -> Array:
    """Require the last axes and the type."""
    if array.shape[-len(shape) :] != shape or array.dtype != kind:
        raise ValueError(f"{array.dtype} {array.shape} where {kind.__name__} {shape} belongs")
    return array
