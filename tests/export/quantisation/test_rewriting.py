"""The int8 graph does what the numpy arithmetic says, row by row, whoever stands beside."""

from collections import Counter

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.export.quantisation.layers import Layers, dense_of, rows
from tests.export.traced import run
from tritext_export.quantisation.plan import FLOORS
from tritext_export.quantisation.schemes import FloatArray, PerToken, Scheme, Static
from tritext_export.quantisation.weights import Int8Weights, round_to_nearest

INPUTS, OUTPUTS = 64, 72
EVEN = np.linspace(0.5, 2, INPUTS).astype(np.float32)
SCHEMES: dict[str, Scheme] = {
    "static": Static(None, 0.05, 120),
    "static, divided": Static(EVEN, 0.05, 120),
    "per token": PerToken(),
    "per token, divided": PerToken(EVEN),
    "per token, above a floor": PerToken(None, -0.171),
}


def layers(count: int, biased: bool, activation: str | None = None) -> Layers:
    """Make layers with random weights."""
    weights = [rows(n, INPUTS, OUTPUTS + 8 * n, outliers=False) / 8 for n in range(count)]
    return Layers(weights, [rows(9, w.shape[1]) if biased else None for w in weights], activation)


def int8_of(made: Layers, scheme: Scheme) -> list[Int8Weights]:
    """Round the weights for a scheme's inputs."""
    by = np.float32(1) if scheme.divisor is None else scheme.divisor[:, None]
    return [round_to_nearest((weights * by).astype(np.float32)) for weights in made.weights]


def activated(made: Layers, x: FloatArray) -> FloatArray:
    """Give what the layers read."""
    return x if made.activation is None else run(watch(made), {"x": x}, ("activated",))


def watch(made: Layers) -> ir.Model:
    """Give the fp32 graph with the layers' input as its output."""
    model = made.model()
    value = next(node for node in model.graph if node.outputs[0].name == "activated").outputs[0]
    value.type = model.graph.outputs[0].type
    model.graph.outputs.append(value)
    return model


@pytest.mark.parametrize("biased", [True, False], ids=["bias", "no bias"])
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_graph_computes_what_numpy_does(scheme: str, count: int, biased: bool) -> None:
    chosen = SCHEMES[scheme]
    made = layers(count, biased, "Gelu" if "floor" in scheme else None)
    int8 = int8_of(made, chosen)
    x = rows(3, 4, 7, INPUTS)
    expected = made.expected(activated(made, x), chosen, int8)
    np.testing.assert_allclose(run(made.quantised(chosen, int8), {"x": x}), expected, rtol=1e-5, atol=1e-4)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.integers(0, 10_000), st.sampled_from(sorted(SCHEMES)), st.floats(1e-3, 1e3))
def test_whatever_the_inputs(seed: int, scheme: str, size: float) -> None:
    chosen = SCHEMES[scheme]
    made = layers(2, biased=True, activation="Gelu" if "floor" in scheme else None)
    int8 = int8_of(made, chosen)
    x = (rows(seed, 2, 3, INPUTS) * size).astype(np.float32)
    expected = made.expected(activated(made, x), chosen, int8)
    found = run(made.quantised(chosen, int8), {"x": x})
    assert np.abs(found - expected).max() <= 1e-4 * max(1.0, float(np.abs(expected).max()))


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.integers(0, 10_000), st.sampled_from(sorted(SCHEMES)), st.integers(1, 6), st.floats(0.01, 1e4))
def test_no_row_hears_of_another(seed: int, scheme: str, others: int, size: float) -> None:
    chosen = SCHEMES[scheme]
    made = layers(1, biased=True, activation="Gelu" if "floor" in scheme else None)
    model = made.quantised(chosen, int8_of(made, chosen))
    x = rows(seed, 1 + others, 5, INPUTS)
    x[1:] *= size
    alone = run(model, {"x": x[:1]})
    np.testing.assert_allclose(run(model, {"x": x})[:1], alone, rtol=0, atol=1e-6)
    np.testing.assert_allclose(run(model, {"x": x[:1, :2]}), alone[:, :2], rtol=0, atol=1e-6)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_row_of_zeros_gives_the_bias(scheme: str) -> None:
    chosen = SCHEMES[scheme]
    made = layers(1, biased=True)
    found = run(made.quantised(chosen, int8_of(made, chosen)), {"x": np.zeros((1, 2, INPUTS), np.float32)})
    assert made.biases[0] is not None
    np.testing.assert_allclose(found, np.broadcast_to(made.biases[0], found.shape), atol=0.05)


@pytest.mark.parametrize(("scheme", "passes"), [("static", 0), ("per token", 2), ("per token, above a floor", 1)])
def test_layers_with_one_input_quantise_it_once(scheme: str, passes: int) -> None:
    chosen = SCHEMES[scheme]
    made = layers(3, biased=True)
    kinds = Counter(node.op_type for node in made.quantised(chosen, int8_of(made, chosen)).graph)
    assert kinds["QuantizeLinear"] == 1
    assert kinds["MatMulIntegerToFloat"] == 3
    assert kinds["ReduceMax"] + kinds["ReduceMin"] == passes
    assert kinds["MatMul"] == 0
    assert kinds["Add"] == (0 if scheme == "static" else 3), "static has its bias in the kernel"


def test_a_fixed_scale_clips_and_nothing_else_happens() -> None:
    made = layers(1, biased=False)
    chosen = Static(None, 0.01, 120)
    int8 = int8_of(made, chosen)
    x = 100 * rows(0, 1, 1, INPUTS)
    found = run(made.quantised(chosen, int8), {"x": x})
    np.testing.assert_allclose(found, made.expected(x, chosen, int8), rtol=1e-5, atol=1e-4)
    assert np.abs(found).max() < 0.1 * np.abs(run(made.model(), {"x": x})).max()


def test_the_floors_lie_below_what_the_activations_give() -> None:
    x = np.linspace(-20, 20, INPUTS * 400, dtype=np.float32).reshape(1, -1, INPUTS)
    for activation in ("Gelu", "Relu"):
        lowest = activated(layers(1, biased=False, activation=activation), x).min()
        assert FLOORS[activation] <= lowest <= FLOORS[activation] + 0.002


def test_a_bias_that_others_read_too_is_added_once() -> None:
    """The product is read twice: its bias cannot be folded into either reader."""
    made = layers(1, biased=True)
    model = made.model()
    product = next(node for node in model.graph if node.op_type == "MatMul").outputs[0]
    concat = next(node for node in model.graph if node.op_type == "Concat")
    concat.resize_inputs(2)
    concat.replace_input_with(1, product)
    assert dense_of(model)[0].bias is None
