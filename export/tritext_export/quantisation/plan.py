"""Which schemes are worth trying for which dense layers: what was observed in, a few schemes a group out.

Every proposal is tried on sampled tokens: how far are the layer's outputs from fp32's. Local errors order the
proposals well; whether the labels hold, only the whole model tells (``quantiser``).
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from tritext_export.edits.values import attribute
from tritext_export.quantisation.dense import Dense
from tritext_export.quantisation.observation import Observed
from tritext_export.quantisation.schemes import FloatArray, Scheme, per_token_schemes, static_schemes
from tritext_export.quantisation.steps import DIVISORS, GPTQ, PER_TOKEN, STATIC
from tritext_export.quantisation.weights import Int8Weights, round_optimally, round_to_nearest

# The lowest value of the activations that have one, with a margin for rounding.
FLOORS = {"Gelu": -0.171, "FastGelu": -0.171, "Relu": 0.0}
_QUICK_FLOOR = -0.279  # of x · sigmoid(x); QuickGelu's alpha divides it

_MUCH_WORSE = 1.5


@dataclass(frozen=True)
class Choice:
    """A scheme for one group, and how well it does there.

    Attributes:
        scheme: The best of its kind.
        error: Root mean square of the change in the layers' outputs, as a share of the outputs' own.
    """

    scheme: Scheme
    error: float


@dataclass(frozen=True)
class Group:
    """Dense layers that read the same value.

    Attributes:
        layers: In the order in which they run.
        choices: The schemes worth trying in the whole model.
    """

    layers: tuple[Dense, ...]
    choices: tuple[Choice, ...]

    @property
    def name(self) -> str:
        """The first layer's name."""
        return self.layers[0].name


def group_layers(layers: Iterable[Dense]) -> list[tuple[Dense, ...]]:
    """Put together the layers that read the same value."""
    groups: dict[str, list[Dense]] = {}
    for dense in layers:
        groups.setdefault(str(dense.input.name), []).append(dense)
    return [tuple(group) for group in groups.values()]


def choose_schemes(layers: Sequence[Dense], observed: Observed, without: Collection[str] = ()) -> Group:
    """Find the best scheme of each kind for a group.

    Args:
        layers: The group.
        observed: What they read.
        without: Steps of int8 to leave out, see ``steps``.
    """
    weights = np.concatenate([dense.weights for dense in layers], axis=1)
    floor = _floor(layers[0].input.producer())
    rows = observed.rows
    wanted = rows @ weights
    span = float(np.sqrt(np.mean(wanted**2))) or 1.0

    def tried(proposals: Iterable[Scheme]) -> list[Choice]:
        allowed = (s for s in proposals if s.divisor is None or DIVISORS not in without)
        return [Choice(s, _error(s, rows, weights, wanted) / span) for s in allowed]

    ranges = observed.lowest, observed.highest, weights
    static = tried(static_schemes(*ranges)) if STATIC not in without else []
    per_token = tried(per_token_schemes(*ranges, floor)) if PER_TOKEN not in without else []
    return Group(tuple(layers), (*_worth_trying(static), *_worth_trying(per_token)))


def _floor(producer: ir.Node | None) -> float | None:
    """Tell what no output of an operation is ever below, where it promises anything."""
    if producer is not None and producer.op_type == "QuickGelu":
        return _QUICK_FLOOR / float(attribute(producer, "alpha", 1.702))
    return None if producer is None else FLOORS.get(producer.op_type)


def _worth_trying(choices: Sequence[Choice]) -> tuple[Choice, ...]:
    """The one with the least error, and the one that evens the channels out.

    The second often does less harm in the whole model: it is the tokens with a few huge channels, which all others
    attend to, that it rounds more finely, and an average over tokens hardly shows them.
    """
    if not choices:
        return ()
    best = min(choices, key=lambda choice: choice.error)
    even = [c for c in choices if c.scheme.evens and c is not best and c.error < _MUCH_WORSE * best.error]
    return (best, *even)


def round_weights(
    layers: Sequence[Dense], scheme: Scheme, observed: Observed, without: Collection[str] = ()
) -> list[Int8Weights]:
    """Round a group's weights for the inputs that the scheme gives them."""
    by = scheme.divisor
    weights = [dense.weights if by is None else dense.weights * by[:, None] for dense in layers]
    if GPTQ in without:
        return [round_to_nearest(each) for each in weights]
    moment = observed.second_moment if by is None else observed.second_moment / np.outer(by, by)
    return [round_optimally(each, moment) for each in weights]


def _error(scheme: Scheme, rows: FloatArray, weights: FloatArray, wanted: FloatArray) -> float:
    divided, scaled = (
        (rows, weights) if scheme.divisor is None else (rows / scheme.divisor, weights * scheme.divisor[:, None])
    )
    outputs = scheme.apply(divided) @ round_to_nearest(scaled).dequantise()
    return float(np.sqrt(np.mean((outputs - wanted) ** 2)))
