"""Schemes for real layers: which are proposed, and that local errors tell good from bad."""

import numpy as np
import onnx_ir as ir
import pytest

from tests.export.quantisation.layers import FloatArray, Layers, dense_of, rows
from tritext_export.quantisation.dense import SMALLEST
from tritext_export.quantisation.observation import Observed, observe
from tritext_export.quantisation.plan import Group, choose_schemes, group_layers, round_weights
from tritext_export.quantisation.rewriting import MICROSOFT
from tritext_export.quantisation.schemes import PerToken, Static

WIDTH = 64


def observed(tokens: FloatArray) -> Observed:
    """What observation would have seen."""
    return Observed(tokens.min(axis=0), tokens.max(axis=0), tokens.T @ tokens, len(tokens), [tokens])


def group(activation: str | None = None, outliers: bool = True) -> tuple[Group, Observed]:
    """Two layers that read the same value, and the schemes for them."""
    made = Layers([rows(n, WIDTH, WIDTH) for n in range(2)], [None, None], activation)
    seen = observed(np.maximum(rows(5, 300, WIDTH, outliers=outliers), 0 if activation else -np.inf))
    (layers,) = group_layers(dense_of(made.model()))
    return choose_schemes(layers, seen), seen


def test_layers_are_grouped_by_what_they_read() -> None:
    found, _ = group()
    assert [dense.name for dense in found.layers] == ["product_0", "product_1"]
    assert found.name == "product_0"


@pytest.mark.parametrize("shape", [(SMALLEST - 1, 128), (128, SMALLEST - 1)])
def test_small_matrices_are_left_alone(shape: tuple[int, int]) -> None:
    assert not dense_of(Layers([rows(0, *shape)], [None]).model())


def test_both_kinds_are_proposed_the_static_first() -> None:
    found, _ = group()
    kinds = [type(choice.scheme) for choice in found.choices]
    assert kinds == sorted(kinds, key=(Static, PerToken).index)
    assert set(kinds) == {Static, PerToken}
    assert all(0 < choice.error < 0.2 for choice in found.choices)


def test_a_scale_a_token_does_less_harm_than_a_fixed_one() -> None:
    found, _ = group()
    best = {kind: min(c.error for c in found.choices if isinstance(c.scheme, kind)) for kind in (Static, PerToken)}
    assert best[PerToken] < best[Static]


def test_an_activation_with_a_floor_gets_it() -> None:
    found, _ = group("Relu")
    floors = [choice.scheme.floor for choice in found.choices if isinstance(choice.scheme, PerToken)]
    assert floors == [0.0]


@pytest.mark.parametrize(("alpha", "lowest"), [(1.702, -0.1636), (1.0, -0.2785)])
def test_the_floor_of_a_quick_gelu_follows_its_alpha(alpha: float, lowest: float) -> None:
    model = Layers([rows(0, WIDTH, WIDTH)], [None], "Relu").model()
    node = next(node for node in model.graph if node.op_type == "Relu")
    node.op_type, node.domain = "QuickGelu", MICROSOFT
    node.attributes["alpha"] = ir.AttrFloat32("alpha", alpha)
    found = choose_schemes(dense_of(model), observed(rows(5, 300, WIDTH)))
    (floor,) = [choice.scheme.floor for choice in found.choices if isinstance(choice.scheme, PerToken)]
    assert floor is not None
    assert lowest - 0.002 < floor < lowest


def test_channels_that_stand_out_get_a_divisor() -> None:
    found, _ = group()
    assert found.choices[0].scheme.divisor is not None


def test_weights_take_the_divisor_in() -> None:
    found, seen = group()
    for choice in found.choices:
        by = np.float32(1) if choice.scheme.divisor is None else choice.scheme.divisor[:, None]
        for dense, int8 in zip(found.layers, round_weights(found.layers, choice.scheme, seen), strict=True):
            back = int8.dequantise() / by
            assert np.abs(back - dense.weights).mean() < 0.05 * np.abs(dense.weights).mean()


def test_padding_and_repeated_batches_leave_no_trace_in_what_is_observed() -> None:
    made = Layers([rows(0, WIDTH, WIDTH)], [None], "Relu")
    x = rows(1, 2, 3, WIDTH)
    x[1, 1:] = 1e6
    batch = {"x": x, "attention_mask": np.array([[1, 1, 1], [1, 0, 0]])}
    seen = observe(made.model(), ["activated"], [batch, batch])["activated"]
    real = np.maximum(np.concatenate([x[0], x[1, :1]]), 0)
    assert seen.tokens == 8
    np.testing.assert_array_equal(seen.lowest, real.min(axis=0))
    np.testing.assert_array_equal(seen.highest, real.max(axis=0))
    np.testing.assert_allclose(seen.second_moment, 2 * real.T @ real, rtol=1e-5, atol=1e-4)
    assert {tuple(row) for row in seen.rows} == {tuple(row) for row in real}


def test_values_of_the_first_token_alone_are_all_real() -> None:
    made = Layers([rows(0, WIDTH, WIDTH)], [None], "Relu")
    batch = {"x": rows(1, 2, 1, WIDTH), "attention_mask": np.array([[1, 1, 1], [1, 0, 0]])}
    assert observe(made.model(), ["activated"], [batch])["activated"].tokens == 2
