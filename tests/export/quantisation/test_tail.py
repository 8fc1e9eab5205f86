"""A group on trial from its cut on gives what the whole model gives with that group on int8."""

import numpy as np
import onnx_ir as ir
import pytest

from tests.export.quantisation.layers import Layers, dense_of, rows
from tests.export.quantisation.test_quantiser import fused
from tests.export.traced import Batch, copied, run, texts
from tritext_export.quantisation.dense import find_dense
from tritext_export.quantisation.observation import observe
from tritext_export.quantisation.plan import choose_schemes, group_layers, round_weights
from tritext_export.quantisation.rewriting import rewrite
from tritext_export.quantisation.schemes import PerToken
from tritext_export.quantisation.tail import LOGITS, Rehearsal, find_cut
from tritext_export.quantisation.weights import round_to_nearest

BATCHES: list[Batch] = [texts([3, 17, 9, 30], pad=0), texts([12, 5], pad=0, seed=1)]


@pytest.mark.parametrize("family", ["bert", "distilbert", "roberta", "modernbert", "mpnet"])
def test_a_tail_answers_as_the_whole(family: str) -> None:
    model = fused(family)
    inputs = [str(value.name) for value in model.graph.inputs]
    batches = [{name: batch[name] for name in inputs} for batch in BATCHES]
    groups = group_layers(find_dense(model))
    rehearsal = Rehearsal(model, groups, batches)
    np.testing.assert_allclose(
        rehearsal.reference(), np.concatenate([run(model, batch) for batch in BATCHES]), atol=1e-5
    )
    seen = observe(model, [str(group[0].input.name) for group in groups], BATCHES)
    for group in groups[:2] + groups[-2:]:
        observed = seen[str(group[0].input.name)]
        scheme = choose_schemes(group, observed).choices[0].scheme
        weights = round_weights(group, scheme, observed)
        whole = copied(model)
        layers = {dense.name: dense for dense in find_dense(whole)}
        rewrite(whole, [layers[dense.name] for dense in group], scheme, weights)
        expected = np.concatenate([run(whole, batch) for batch in BATCHES])
        given = rehearsal.stage(group).logits(scheme, weights)
        np.testing.assert_allclose(given, expected, atol=1e-5)
        assert np.abs(given - rehearsal.reference()).max() > 1e-7, "int8 is not fp32"


def test_nothing_follows_a_layer_that_gives_the_logits_itself() -> None:
    layers = Layers([rows(0, 64, 70)], [rows(1, 70)])
    model = layers.model()
    concat = model.graph[-1]
    total = concat.inputs[0]
    assert total is not None
    model.graph.outputs.clear()
    total.name = LOGITS
    concat.outputs[0].name = "unused"
    model.graph.remove(concat, safe=True)
    total.type = ir.TensorType(ir.DataType.FLOAT)
    model.graph.outputs.append(total)
    group = dense_of(model)
    assert find_cut(model, group).exits == (LOGITS,)
    x = rows(2, 3, 9, 64)
    weights = [round_to_nearest(group[0].weights)]
    rehearsal = Rehearsal(model, [group], [{"x": x}])
    expected = layers.expected(x, PerToken(), weights)
    given = rehearsal.stage(group).logits(PerToken(), weights)
    np.testing.assert_allclose(given, expected, atol=1e-3 * float(np.abs(expected).max()))
