"""One session for several threads, and devices that are not there."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from tritext_serve.engine import in_process
from tritext_serve.engine.in_process import MOST_WEIGHTS, count_sessions, engine_lanes
from tritext_serve.engine.options import EngineOptionsError, read_engine_options
from tritext_serve.engine.session import Engine
from tritext_serve.front.classifiers import ClassifierError

INPUTS = ("input_ids", "attention_mask")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A staged classifier whose logits are the sum of its ids that are not masked, and as much below nought."""
    ids, mask = (onnx.helper.make_tensor_value_info(n, onnx.TensorProto.INT64, ["n", "m"]) for n in INPUTS)
    logits = onnx.helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["n", 2])
    axis = onnx.numpy_helper.from_array(np.array([1], np.int64), "axis")
    nodes = [
        onnx.helper.make_node("Mul", list(INPUTS), ["kept"]),
        onnx.helper.make_node("ReduceSum", ["kept", "axis"], ["sum"], keepdims=1),
        onnx.helper.make_node("Cast", ["sum"], ["up"], to=onnx.TensorProto.FLOAT),
        onnx.helper.make_node("Neg", ["up"], ["down"]),
        onnx.helper.make_node("Concat", ["up", "down"], ["logits"], axis=1),
    ]
    graph = onnx.helper.make_graph(nodes, "sums", [ids, mask], [logits], [axis])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    (tmp_path / "3").mkdir()
    onnx.save(model, str(tmp_path / "3" / "model.onnx"))
    (tmp_path / "config.json").write_text('{"output": [{"name": "logits"}]}')
    return tmp_path


def sub_batch(rows: Sequence[Sequence[int]]) -> list[np.ndarray[tuple[int, ...], np.dtype[np.int64]]]:
    """Rows of one length, nothing masked."""
    ids = np.array(rows, np.int64)
    return [ids, np.ones_like(ids)]


def test_sub_batches_run_on_all_lanes_and_errors_are_answers(directory: Path) -> None:
    lanes = engine_lanes({"engine_directory": str(directory), "lanes": "2"}, 3, INPUTS)
    assert lanes.lanes == 2
    wrong = [np.ones((1, 2), np.int64), np.ones((1, 3), np.int64)]
    first, error, last = lanes.run([sub_batch([[1, 2], [3, 4]]), wrong, sub_batch([[5]])])
    assert not isinstance(first, ClassifierError)
    assert not isinstance(last, ClassifierError)
    assert first.tolist() == [[3, -3], [7, -7]]
    assert last.tolist() == [[5, -5]]
    assert isinstance(error, ClassifierError)
    assert "onnxruntime: " in str(error)


def test_lanes_have_a_session_each_while_the_weights_are_small() -> None:
    assert count_sessions(24 * 2**20, 2) == 2
    assert count_sessions(24 * 2**20, 8) == 5
    assert count_sessions(91 * 2**20, 2) == 1
    assert count_sessions(0, 3) == 3
    assert count_sessions(10 * MOST_WEIGHTS, 4) == 1


@pytest.mark.parametrize("most", [0, MOST_WEIGHTS])
def test_several_threads_get_their_own_answers(directory: Path, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_process, "MOST_WEIGHTS", most)  # one session for all lanes, and one each
    lanes = engine_lanes({"engine_directory": str(directory), "lanes": "3"}, 3, INPUTS)

    def ask(number: int) -> list[object]:
        answers = lanes.run([sub_batch([[number, each]]) for each in range(5)])
        return [answer.tolist() for answer in answers if not isinstance(answer, ClassifierError)]

    with ThreadPoolExecutor(6) as pool:
        for number, answers in enumerate(pool.map(ask, range(60))):
            assert answers == [[[number + each, -number - each]] for each in range(5)]


def test_a_missing_provider_is_named_with_those_that_there_are(directory: Path) -> None:
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("MISSING: an onnxruntime without CUDA")
    options = read_engine_options({"parameters": {"device": {"string_value": "cuda"}}})
    with pytest.raises(
        EngineOptionsError, match="CPUExecutionProvider, not CUDAExecutionProvider: install onnxruntime"
    ):
        Engine(options, directory / "3")


def test_a_missing_output_is_named(directory: Path) -> None:
    options = read_engine_options({"output": [{"name": "scores"}]})
    with pytest.raises(EngineOptionsError, match=r"model.onnx has no output 'scores'"):
        Engine(options, directory / "3")
