"""fp32 graphs turned to fp16: types, masks, norms, what does not fit, and the labels of the demo model."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from tests.export.encoders import FAMILIES, LONGEST, Arrays, FloatArray, batch, encoder, run, softmax
from tritext_export.errors import EngineError
from tritext_export.half import MASKED, emulate, to_half
from tritext_export.half_plan import element_types
from tritext_export.labelled import Example
from tritext_export.session import ExportedModel, ExportedTokenizer

FLOAT, HALF, INT64 = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.INT64
NORMS = {"LayerNormalization", "ReduceMean", "Pow", "Sqrt", "Sin", "Cos"}
GRAPHS = [*((family, 17) for family in FAMILIES), ("bert", 14), ("deberta-v2", 14)]
every_graph = pytest.mark.parametrize(("family", "opset"), GRAPHS, ids=str)


def small(nodes: list[NodeProto], weights: dict[str, npt.NDArray[np.float64]], *, ids: int = INT64) -> ModelProto:
    """A graph from ``input_ids`` to ``logits`` [texts, 4]."""
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("input_ids", ids, ["texts", "tokens"])],
        [helper.make_tensor_value_info("logits", FLOAT, None)],
        [numpy_helper.from_array(array.astype(np.float32), name) for name, array in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def types_of(model: ModelProto) -> dict[str, int]:
    """Element type of every tensor, by onnx's own inference."""
    graph = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    known = {v.name: v.type.tensor_type.elem_type for v in (*graph.value_info, *graph.input, *graph.output)}
    return known | {t.name: t.data_type for t in graph.initializer}


@every_graph
def test_every_family_gives_a_valid_graph_that_computes_in_fp16(family: str, opset: int) -> None:
    model = encoder(family, opset)
    before = model.SerializeToString()
    half = to_half(model)
    onnx.checker.check_model(half, full_check=True)
    assert model.SerializeToString() == before
    assert list(half.graph.input) == list(model.graph.input)
    assert list(half.graph.output) == list(model.graph.output)
    sizes = {
        kind: sum(np.prod(t.dims) for t in half.graph.initializer if t.data_type == kind) for kind in (FLOAT, HALF)
    }
    assert sizes[HALF] > 0.9 * sum(sizes.values())


@every_graph
def test_norms_and_angles_stay_fp32(family: str, opset: int) -> None:
    half = to_half(encoder(family, opset))
    types = types_of(half)
    norms = [node for node in half.graph.node if node.op_type in NORMS]
    assert norms
    assert {types[name] for node in norms for name in node.input} <= {FLOAT, INT64}


def test_a_norm_that_is_spelt_out_stays_fp32_from_its_mean_to_its_shift() -> None:
    half = to_half(encoder("bert", 14))
    types = types_of(half)
    steps = [node for node in half.graph.node if "LayerNorm/" in node.name and node.op_type != "Cast"]
    assert {node.op_type for node in steps} >= {"ReduceMean", "Sub", "Pow", "Add", "Sqrt", "Div", "Mul"}
    assert {types[name] for node in steps for name in (*node.input, *node.output)} == {FLOAT}


@every_graph
def test_own_type_rules_say_what_onnx_infers(family: str, opset: int) -> None:
    model = encoder(family, opset)
    own = element_types(model.graph)
    inferred = {name: kind for name, kind in types_of(model).items() if kind}
    assert {name: own.get(name) for name in inferred} == inferred


@every_graph
def test_emulated_answers_stay_near_with_padding_and_at_any_length(family: str, opset: int) -> None:
    model = encoder(family, opset)
    rounded = emulate(to_half(model))
    onnx.checker.check_model(rounded, full_check=True)
    for lengths in ([1], [1, 7, 60], [LONGEST], [3, LONGEST]):
        reference, answer = (run(graph, batch(lengths)) for graph in (model, rounded))
        assert np.abs(softmax(reference) - softmax(answer)).max() < 5e-3
    assert (run(model, batch([9, 60])) != run(rounded, batch([9, 60]))).any()  # it does round


@every_graph
def test_a_neighbour_with_nothing_but_padding_gives_no_nan_and_changes_nobody(family: str, opset: int) -> None:
    rounded = emulate(to_half(encoder(family, opset)))
    together = run(rounded, batch([20, 33, 0]))
    assert np.isfinite(together).all()
    without = run(rounded, {name: array[:2] for name, array in batch([20, 33, 0]).items()})
    assert np.abs(softmax(together[:2]) - softmax(without)).max() < 1e-3


def masked_scores(kind: str, value: float) -> ModelProto:
    """Scores of dense layers, masked where an id is 0, as exporters write it in three ways; softmax follows."""
    make = helper.make_node
    shared = [
        make("Gather", ["table", "input_ids"], ["embedded"]),
        make("ReduceSum", ["embedded", "axis"], ["scores"], keepdims=0),
        make("Equal", ["input_ids", "zero"], ["padding"]),
        make("Cast", ["padding"], ["padded"], to=FLOAT),
    ]
    masks = {
        "Where": [make("Where", ["padding", "never", "scores"], ["masked"])],
        "Mul": [make("Mul", ["padded", "never"], ["mask"]), make("Add", ["scores", "mask"], ["masked"])],
        "ConstantOfShape": [
            make("Shape", ["input_ids"], ["shape"]),
            make("ConstantOfShape", ["shape"], ["full"], value=helper.make_tensor("v", FLOAT, [1], [value])),
            make("Where", ["padding", "full", "none"], ["mask"]),
            make("Add", ["scores", "mask"], ["once"]),
            make("Add", ["once", "mask"], ["masked"]),
        ],
    }
    model = small(
        [*shared, *masks[kind], make("Softmax", ["masked"], ["logits"])],
        {"table": np.eye(6, 4), "never": np.array(value), "none": np.array(0.0)},
    )
    model.graph.initializer.append(numpy_helper.from_array(np.array(0), "zero"))
    model.graph.initializer.append(numpy_helper.from_array(np.array([2]), "axis"))
    return model


@pytest.mark.parametrize("kind", ["Where", "Mul", "ConstantOfShape"])
@given(value=st.sampled_from([-3.4028234663852886e38, -1e30, -1e9, -65504.0, -20000.0]), seed=st.integers(0, 99))
@settings(max_examples=10, deadline=None)
def test_masks_are_finite_however_they_are_made(kind: str, value: float, seed: int) -> None:
    ids = np.random.default_rng(seed).integers(0, 6, (3, 5))
    ids[0] = 0
    arrays: Arrays = {"input_ids": ids}
    model = masked_scores(kind, value)
    half = to_half(model)
    for tensor in half.graph.initializer:
        assert (np.abs(numpy_helper.to_array(tensor)) <= MASKED).all()
    answer = run(emulate(half), arrays)
    assert np.isfinite(answer).all()
    some = (ids != 0).any(axis=1)
    assert np.abs(answer - run(model, arrays))[some].max(initial=0) < 1e-3


def test_an_infinite_mask_is_made_finite() -> None:
    half = to_half(masked_scores("Where", -np.inf))
    assert np.isfinite(run(emulate(half), {"input_ids": np.zeros((1, 3), np.int64)})).all()


def dense(scale: float, back: float) -> ModelProto:
    """Two dense layers, the first of which makes ``scale`` of 1 and the second ``back`` times that."""
    make = helper.make_node
    nodes = [
        make("Gather", ["table", "input_ids"], ["embedded"]),
        make("MatMul", ["embedded", "up"], ["large"], name="large"),
        make("MatMul", ["large", "down"], ["normal"], name="normal"),
        make("ReduceMax", ["normal"], ["top"], axes=[1], keepdims=0),
        make("Identity", ["top"], ["logits"]),
    ]
    return small(nodes, {"table": np.eye(4), "up": np.eye(4) * scale, "down": np.eye(4) * back})


def test_a_weight_that_fp16_cannot_hold_stays_fp32() -> None:
    model = dense(70000.0, 1e-3)
    half = to_half(model)
    kinds = {tensor.name: tensor.data_type for tensor in half.graph.initializer}
    assert kinds["up"] == FLOAT
    assert kinds["down.fp16"] == HALF
    np.testing.assert_array_equal(numpy_helper.to_array(half.graph.initializer[0]), np.eye(4) * 70000)


def test_the_emulation_shows_an_overflow_that_the_cpu_hides() -> None:
    half = to_half(dense(60000.0, 1e-3))
    for tensor in half.graph.initializer:
        if tensor.name.startswith("table"):
            tensor.CopyFrom(numpy_helper.from_array((np.eye(4) * 2).astype(np.float16), tensor.name))
    arrays: Arrays = {"input_ids": np.array([[1]])}
    assert np.isfinite(run(half, arrays)).all()  # ONNX Runtime keeps the fp32 value between the two layers
    assert not np.isfinite(run(emulate(half), arrays)).all()


def test_the_emulation_rounds_as_numpy_does() -> None:
    half = to_half(dense(1 / 3, 1 / 7))
    third, seventh = np.float16(1 / 3), np.float16(1 / 7)
    expected = np.float32(np.float16(np.float32(third) * np.float32(seventh)))
    assert run(emulate(half), {"input_ids": np.array([[2]])}).max() == expected


def test_shared_weights_are_stored_once() -> None:
    half = to_half(encoder("albert"))
    assert [node.name for node in half.graph.node if node.op_type == "Identity"] == []


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (helper.make_node("DynamicQuantizeLinear", ["table"], ["a", "b", "c"], name="planted"), "quantised"),
        (helper.make_node("Loop", ["", "", "table"], ["a"], name="planted"), "loops"),
    ],
    ids=["quantised", "loop"],
)
def test_a_graph_that_cannot_be_turned_is_refused_by_its_nodes_name(node: NodeProto, words: str) -> None:
    with pytest.raises(EngineError, match=f"'planted'.*{words}"):
        to_half(small([node], {"table": np.eye(4)}))


def test_a_graph_that_takes_floats_is_refused() -> None:
    with pytest.raises(EngineError, match="input_ids"):
        to_half(small([helper.make_node("Identity", ["input_ids"], ["logits"])], {}, ids=FLOAT))


@pytest.fixture(scope="module")
def demo(gpu_repository: Path) -> ModelProto:
    """The demo's certified graph."""
    return onnx.load(gpu_repository / "sentiment_classifier" / "1" / "model.onnx")


@pytest.fixture(scope="module")
def demo_half(demo: ModelProto, tmp_path_factory: pytest.TempPathFactory) -> dict[str, ExportedModel]:
    """The demo's graph in fp32, in fp16 as the CPU runs it, and in fp16 as a GPU would round."""
    folder = tmp_path_factory.mktemp("half")
    half = to_half(demo)
    models = {"fp32": demo, "fp16": half, "emulated": emulate(half)}
    for name, model in models.items():
        onnx.save(model, folder / f"{name}.onnx")
    assert (folder / "fp16.onnx").stat().st_size < 0.51 * (folder / "fp32.onnx").stat().st_size
    return {name: ExportedModel(folder / f"{name}.onnx", 0) for name in models}


@pytest.mark.slow
@pytest.mark.parametrize("form", ["fp16", "emulated"])
def test_the_demos_labels_survive_beside_any_neighbour(
    form: str, demo_half: dict[str, ExportedModel], gpu_repository: Path, test_examples: tuple[Example, ...]
) -> None:
    tokenizer = ExportedTokenizer(gpu_repository / "sentiment" / "1" / "tokenizer.json", 512)
    encoded = tokenizer.encode(test_examples[:100])

    def ask(name: str, size: int) -> FloatArray:
        parts = [demo_half[name].logits(encoded[i : i + size]) for i in range(0, len(encoded), size)]
        return np.concatenate(parts)

    reference = softmax(ask("fp32", 1))
    for size in (1, 25):
        answer = softmax(ask(form, size))
        assert (answer.argmax(1) == reference.argmax(1)).all()
        assert np.abs(answer - reference).max() < 5e-3


@pytest.mark.slow
def test_the_demo_takes_the_shortest_and_the_longest_and_an_empty_neighbour(demo: ModelProto) -> None:
    rounded = emulate(to_half(demo))
    for lengths in ([1], [512], [512, 0, 1]):
        arrays = batch(lengths)
        reference, answer = softmax(run(demo, arrays)), softmax(run(rounded, arrays))
        assert np.isfinite(answer).all()
        kept = np.array(lengths) > 0
        assert np.abs(reference - answer)[kept].max() < 5e-3
