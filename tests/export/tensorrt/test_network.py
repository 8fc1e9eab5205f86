"""Engines, really built by TensorRT for RTX on this machine's CPU: families, types, profiles, refusals."""

import struct
import sys
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper

from tests.export.encoders import LONGEST, batch, encoder, run, softmax
from tritext_export.errors import EngineError
from tritext_export.half import to_half
from tritext_export.tensorrt.device import find_device
from tritext_export.tensorrt.network import add_profile, build_engine, log_of, parse
from tritext_export.tensorrt.profiles import Profile, plan_profiles
from tritext_export.tensorrt.runner import NotRun

rtx = pytest.importorskip("tensorrt_rtx_bindings", reason="MISSING: tensorrt-rtx, of the extra tritext[tensorrt]")
from tritext_export.tensorrt.rtx import RtxBuilder  # noqa: E402  # only where the library is

BUILT = ("roberta", "distilbert", "electra", "modernbert", "deberta-v2")
# Numbers that nothing else in an engine has.
ODD = Profile((1, 7), (13, 37), (61, 127))
both_precisions = pytest.mark.parametrize("precision", ["fp32", "fp16"])


def graph(family: str, precision: str) -> ModelProto:
    """A family's graph in a precision."""
    return encoder(family) if precision == "fp32" else to_half(encoder(family))


@both_precisions
@pytest.mark.parametrize("family", BUILT)
def test_a_family_is_built_and_its_engine_holds_the_profiles(family: str, precision: str) -> None:
    model = graph(family, precision)
    profiles = (*plan_profiles(384, 64, LONGEST), ODD)
    engine = RtxBuilder().build(model.SerializeToString(), profiles, f"{family}:1:{precision}")
    assert f"{family}:1:{precision}".encode() in engine
    inputs = len(model.graph.input)
    for profile in (ODD, profiles[0]):
        assert read_back(engine, profile) >= inputs


def read_back(engine: bytes, profile: Profile) -> int:
    """Count how often an engine holds a profile: three pairs of 64-bit numbers, 40 bytes apart, in version 1.7.

    Only a GPU lets NVIDIA's own reader in; see the test at the end.
    """
    pairs = [struct.pack("<qq", *shape) for shape in (profile.smallest, profile.typical, profile.largest)]
    count = at = 0
    while (at := engine.find(pairs[0], at) + 1) > 0:
        count += all(engine[at - 1 + 40 * i : at + 15 + 40 * i] == pair for i, pair in enumerate(pairs))
    return count


def test_what_is_not_asked_for_is_not_read_back() -> None:
    engine = RtxBuilder().build(encoder("bert").SerializeToString(), [ODD], "bert:1:fp32")
    assert read_back(engine, ODD) == 3
    assert read_back(engine, Profile((1, 7), (13, 37), (61, 128))) == 0


@pytest.fixture
def library() -> tuple[Any, Any, Any]:
    """TensorRT's builder, an empty network, and a log."""
    log = log_of(rtx)
    builder = rtx.Builder(log)
    return builder, builder.create_network(1 << int(rtx.NetworkDefinitionCreationFlag.STRONGLY_TYPED)), log


def test_tensorrt_gives_back_every_shape_of_the_planners_grid(library: tuple[Any, Any, Any]) -> None:
    builder, network, log = library
    parse(rtx, network, log, encoder("bert").SerializeToString())
    config = builder.create_builder_config()
    profiles = plan_profiles(384, 64, LONGEST)
    for profile in profiles:
        made = add_profile(builder, network, config, profile)
        for place in range(network.num_inputs):
            shapes = [tuple(shape) for shape in made.get_shape(network.get_input(place).name)]
            assert shapes == [profile.smallest, profile.typical, profile.largest]
    assert config.num_optimization_profiles == len(profiles) == 3


def test_tensorrt_computes_norms_in_fp32_and_dense_layers_in_fp16(library: tuple[Any, Any, Any]) -> None:
    _, network, log = library
    parse(rtx, network, log, to_half(encoder("bert")).SerializeToString())
    layers = [network.get_layer(place) for place in range(network.num_layers)]
    norms = [layer for layer in layers if layer.type == rtx.LayerType.NORMALIZATION]
    dense = [layer for layer in layers if layer.type == rtx.LayerType.MATRIX_MULTIPLY]
    assert len(norms) == 5
    assert {layer.get_input(0).dtype for layer in norms} == {rtx.float32}
    assert [layer.get_input(0).dtype for layer in dense].count(rtx.float32) == 1  # the logits
    assert [layer.get_input(0).dtype for layer in dense].count(rtx.float16) == len(dense) - 1 > 10
    assert network.get_output(0).dtype == rtx.float32
    assert {network.get_input(place).dtype for place in range(network.num_inputs)} == {rtx.int64}


def planted(operator: str, name: str) -> bytes:
    """The small BERT with one operator replaced."""
    model = ModelProto()
    model.CopyFrom(encoder("bert"))
    node = next(node for node in model.graph.node if node.op_type == "Erf")
    node.op_type, node.name = operator, name
    return bytes(model.SerializeToString())


def test_an_operator_that_the_parser_refuses_is_named() -> None:
    with pytest.raises(EngineError, match=r"parser refuses the node 'planted/gelu' \(Unheard\)") as caught:
        RtxBuilder().build(planted("Unheard", "planted/gelu"), [ODD], "planted")
    assert "\n" not in str(caught.value)


def test_a_type_that_does_not_fit_is_named() -> None:
    model = ModelProto()
    model.CopyFrom(to_half(encoder("bert")))
    norm = next(node for node in model.graph.node if node.op_type == "LayerNormalization")
    cast = next(node for node in model.graph.node if node.output[0] == norm.input[0])
    norm.input[0] = cast.input[0]  # fp16 into a norm whose scale is fp32: strongly typed networks do not mend that
    with pytest.raises(EngineError, match="LayerNorm"):
        RtxBuilder().build(model.SerializeToString(), [ODD], "planted")


@pytest.mark.parametrize("kept", [0, 1000, -5000])
def test_a_graph_that_is_cut_off_is_refused(kept: int) -> None:
    with pytest.raises(EngineError, match="TensorRT"):
        RtxBuilder().build(encoder("bert").SerializeToString()[:kept], [ODD], "broken")


def test_a_layer_that_the_builder_refuses_is_named() -> None:
    with pytest.raises(EngineError, match=r"does not build.*/bert/encoder/layer\.0.*FP32 GEMM is not supported"):
        RtxBuilder(("7.5",)).build(encoder("bert").SerializeToString(), [ODD], "turing")


def test_profiles_that_fit_no_input_are_refused() -> None:
    backwards = Profile((9, 9), (1, 1), (2, 2))
    with pytest.raises(EngineError, match=r"does not take Profile\(smallest=\(9, 9\)"):
        RtxBuilder().build(encoder("bert").SerializeToString(), [backwards], "backwards")


def test_one_engine_may_be_for_several_kinds_of_gpu() -> None:
    half = to_half(encoder("bert")).SerializeToString()
    assert read_back(RtxBuilder(("8.6", "8.9", "12.0")).build(half, [ODD], "bert"), ODD) == 3


def test_an_unknown_compute_capability_is_refused_with_the_known() -> None:
    with pytest.raises(EngineError, match=r"'9\.0'.*7\.5, 8\.0, 8\.6, 8\.9, 12\.0, 12\.1"):
        RtxBuilder(("9.0",))


def test_a_network_of_another_output_is_no_trouble() -> None:
    """Nothing in the builder knows BERT: any graph with [texts, tokens] inputs will do."""
    nodes = [helper.make_node("Cast", ["ids"], ["logits"], to=TensorProto.FLOAT)]
    ids = helper.make_tensor_value_info("ids", TensorProto.INT64, ["n", "l"])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", "l"])
    model = helper.make_model(
        helper.make_graph(nodes, "g", [ids], [logits]), opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )
    assert read_back(RtxBuilder().build(model.SerializeToString(), [ODD], "cast"), ODD) >= 1


def test_the_datacentre_builder_takes_the_same_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorRT itself is in the Triton image alone: RTX's module, which has the same names, stands in for it here."""
    monkeypatch.delitem(sys.modules, "tritext_export.tensorrt.datacentre", raising=False)
    with pytest.raises(EngineError, match="Triton image"):
        from tritext_export.tensorrt import datacentre
    monkeypatch.setitem(sys.modules, "tensorrt", rtx)
    from tritext_export.tensorrt import datacentre

    builder = datacentre.DatacentreBuilder(workspace=64)
    assert builder.version == "TensorRT 1.7.1.116"
    assert isinstance(builder.runner(), NotRun) is (find_device() is None)
    assert read_back(builder.build(encoder("bert").SerializeToString(), [ODD], "bert:1:fp32"), ODD) == 3
    monkeypatch.delitem(sys.modules, "tritext_export.tensorrt.datacentre")


def test_fp32_is_not_cut_to_tf32() -> None:
    """Both libraries' own default is to cut it, and then an engine "in fp32" has ten bits of mantissa."""
    flags: list[bool] = []
    profiles = [ODD]

    def look(config: Any) -> None:
        flags.append(config.get_flag(rtx.BuilderFlag.TF32))

    build_engine(rtx, encoder("bert").SerializeToString(), profiles, "bert", look)
    assert flags == [False]
    assert rtx.Builder(log_of(rtx)).create_builder_config().get_flag(rtx.BuilderFlag.TF32)


@both_precisions
def test_an_engine_gives_the_graphs_answers_on_a_gpu(precision: str) -> None:
    builder = RtxBuilder()
    runner = builder.runner()
    if isinstance(runner, NotRun):
        pytest.skip(f"MISSING: an NVIDIA GPU that TensorRT for RTX serves; NO ENGINE WAS RUN: {runner.reason}")
    model = graph("bert", precision)
    profiles = plan_profiles(384, 64, LONGEST)
    with runner.load(builder.build(model.SerializeToString(), profiles, "bert")) as engine:
        assert engine.profiles == profiles
        for lengths in ([1], [5, 20], [40, 90, 128]):
            arrays = batch(lengths)
            expected = softmax(run(encoder("bert"), arrays))
            for profile in engine.covering((len(lengths), max(lengths))):
                answer = softmax(engine.logits(arrays, profile))
                assert (answer.argmax(1) == expected.argmax(1)).all()
                assert np.abs(answer - expected).max() < (1e-4 if precision == "fp32" else 1e-2)
