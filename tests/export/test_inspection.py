"""Hostile and broken ONNX files: each refused by name, without being run."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.export.repositories import graph
from tritext_export.errors import RepositoryError
from tritext_export.inspection import DATA_FILE, inspect


def saved(directory: Path, model: onnx.ModelProto) -> Path:
    path = directory / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def external(location: str, **more: str) -> onnx.TensorProto:
    """A weight that lies elsewhere."""
    tensor = numpy_helper.from_array(np.zeros((1, 2), np.float32), "weight")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in ({"location": location} | more).items():
        tensor.external_data.add(key=key, value=value)
    return tensor


def with_weight(tensor: onnx.TensorProto) -> onnx.ModelProto:
    """The tiny classifier with another weight."""
    model = graph()
    del model.graph.initializer[0]
    model.graph.initializer.insert(0, tensor)
    return model


def test_a_sound_graph_tells_its_inputs(tmp_path: Path) -> None:
    assert inspect(saved(tmp_path, graph())) == ("input_ids", "attention_mask")


def test_weights_beside_the_model_are_fine(tmp_path: Path) -> None:
    (tmp_path / DATA_FILE).write_bytes(bytes(8))
    inspect(saved(tmp_path, with_weight(external(DATA_FILE, offset="0", length="8"))))


@pytest.mark.parametrize(
    "location",
    ["/etc/passwd", "../model.onnx_data", "sub/model.onnx_data", "other.bin", "", "*/_ORT_MEM_ADDR_/*", "C:\\weights"],
)
def test_weights_anywhere_else_are_refused(tmp_path: Path, location: str) -> None:
    path = saved(tmp_path, with_weight(external(location, length="8")))
    with pytest.raises(
        RepositoryError, match=r"the weight 'weight' lies in .*: only model\.onnx_data beside the model"
    ):
        inspect(path)


def test_weights_behind_a_link_or_nowhere_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, with_weight(external(DATA_FILE, length="8")))
    with pytest.raises(RepositoryError, match="which is missing or a link"):
        inspect(path)
    (tmp_path / "elsewhere").write_bytes(bytes(8))
    (tmp_path / DATA_FILE).symlink_to("elsewhere")
    with pytest.raises(RepositoryError, match="which is missing or a link"):
        inspect(path)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"length": "9"}, "beyond the end"),
        ({"offset": "4", "length": "8"}, "beyond the end"),
        ({"offset": "-1", "length": "8"}, "a negative offset or length"),
        ({"offset": "16", "length": "-8"}, "a negative offset or length"),
        ({"offset": "x"}, "no number"),
    ],
)
def test_weights_outside_their_file_are_refused(tmp_path: Path, more: dict[str, str], words: str) -> None:
    (tmp_path / DATA_FILE).write_bytes(bytes(8))
    with pytest.raises(RepositoryError, match=words):
        inspect(saved(tmp_path, with_weight(external(DATA_FILE, **more))))


def hidden_in_a_branch(tensor: onnx.TensorProto) -> onnx.ModelProto:
    """A weight in a constant, in a branch of a condition."""
    value = helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 2])
    branch = helper.make_graph([helper.make_node("Constant", [], ["out"], "constant", value=tensor)], "b", [], [value])
    model = graph()
    model.graph.node.append(
        helper.make_node("If", ["logits"], ["unused"], "choose", then_branch=branch, else_branch=branch)
    )
    return model


def test_weights_inside_a_branch_are_found_too(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match="the weight 'weight' lies in '/etc/passwd'"):
        inspect(saved(tmp_path, hidden_in_a_branch(external("/etc/passwd"))))


def in_a_function(domain: str) -> onnx.ModelProto:
    """A node that calls a function of the model's own, which calls an operator of a domain."""
    model = graph()
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(domain, 1)]
    inner = helper.make_node("Thing", ["x"], ["y"], "inner", domain=domain)
    model.functions.append(helper.make_function("own", "Wrapped", ["x"], ["y"], [inner], opsets))
    model.graph.node.append(helper.make_node("Wrapped", ["logits"], ["unused"], "outer", domain="own"))
    model.opset_import.extend([helper.make_opsetid("own", 1), helper.make_opsetid(domain, 1)])
    return model


@pytest.mark.parametrize("domain", ["ai.onnx.contrib", "custom", "com.microsoft.extensions"])
def test_operators_that_need_a_library_are_refused_by_name(tmp_path: Path, domain: str) -> None:
    model = graph()
    model.graph.node.append(helper.make_node("Thing", ["logits"], ["unused"], "odd", domain=domain))
    words = rf"node 'odd': {domain}\.Thing needs a library of custom operators"
    with pytest.raises(RepositoryError, match=words):
        inspect(saved(tmp_path, model))


def test_functions_of_the_models_own_are_looked_into(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match=r"node 'inner': custom\.Thing needs a library"):
        inspect(saved(tmp_path, in_a_function("custom")))


@pytest.mark.parametrize("operator", ["EPContext", "PythonOp", "ATen"])
def test_operators_that_hold_code_are_refused(tmp_path: Path, operator: str) -> None:
    model = graph()
    model.graph.node.append(helper.make_node(operator, ["logits"], ["unused"], "engine", domain="com.microsoft"))
    with pytest.raises(RepositoryError, match=f"'engine': com.microsoft.{operator} holds or calls compiled code"):
        inspect(saved(tmp_path, model))


def test_operators_of_microsofts_own_are_fine(tmp_path: Path) -> None:
    model = graph()
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    model.graph.node.append(helper.make_node("FastGelu", ["logits"], ["unused"], "gelu", domain="com.microsoft"))
    inspect(saved(tmp_path, model))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "holds no graph"),
        (b"<html>not found</html>", "not an ONNX file, or cut off|holds no graph"),
        (graph().SerializeToString()[:-7], "not an ONNX file, or cut off"),
    ],
    ids=["empty", "html", "truncated"],
)
def test_what_is_no_onnx_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(RepositoryError, match=words):
        inspect(tmp_path / "model.onnx")


def test_a_graph_that_does_not_hold_together_is_refused(tmp_path: Path) -> None:
    model = graph()
    del model.graph.node[0]
    with pytest.raises(RepositoryError, match="the graph is not valid"):
        inspect(saved(tmp_path, model))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match=r"model\.onnx: No such file"):
        inspect(tmp_path / "model.onnx")


@pytest.mark.parametrize("cut", range(1, 200, 23))
def test_no_truncation_gets_through_or_ends_in_a_trace(tmp_path: Path, cut: int) -> None:
    content = graph().SerializeToString()
    (tmp_path / "model.onnx").write_bytes(content[: len(content) - cut])
    with pytest.raises(RepositoryError):
        inspect(tmp_path / "model.onnx")
