"""Costs: how they are put together, never what they are."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from tests.conftest import Silent
from tritext_export import cost
from tritext_export.cost import Costs, feeds, length_sorted, measure_cost, open_session, time_sessions
from tritext_export.encoding import Encoded

SECONDS = st.floats(1e-4, 10.0)


def encoded(*lengths: int) -> list[Encoded]:
    return [Encoded([7] * n, [0] * n) for n in lengths]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Logits that are the number of ids; the ids are read as INT32, the mask as INT64."""
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["input_ids"], ["wide"], to=TensorProto.INT64),
            helper.make_node("Mul", ["wide", "attention_mask"], ["product"]),
            helper.make_node("ReduceSum", ["product"], ["sum"], keepdims=1),
            helper.make_node("Cast", ["sum"], ["logits"], to=TensorProto.FLOAT),
        ],
        "tiny",
        [
            helper.make_tensor_value_info("input_ids", TensorProto.INT32, [None, None]),
            helper.make_tensor_value_info("attention_mask", TensorProto.INT64, [None, None]),
        ],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [None, None])],
    )
    path = tmp_path / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


@given(st.lists(st.tuples(SECONDS, SECONDS), min_size=1, max_size=20), st.floats(0.1, 10.0))
def test_a_ratio_is_that_of_the_sums_and_its_interval_lies_among_the_batches(
    pairs: list[tuple[float, float]], factor: float
) -> None:
    one, two = np.array(pairs).T
    costs = Costs(np.full(len(pairs), 16), {"one": one, "two": two, "more": two * factor})
    ratio = costs.ratio("one", "two")
    assert ratio.value == pytest.approx(one.sum() / two.sum())
    least, most = (one / two).min(), (one / two).max()
    assert least * (1 - 1e-9) <= ratio.low <= ratio.high <= most * (1 + 1e-9)
    steady = costs.ratio("more", "two")
    assert (steady.low, steady.value, steady.high) == pytest.approx((factor,) * 3)


def test_milliseconds_are_by_text_whatever_the_batches() -> None:
    costs = Costs(np.array([3, 1]), {"a": np.array([0.003, 0.001])})
    assert costs.milliseconds("a") == pytest.approx(1.0)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=100), st.integers(1, 20), st.integers(1, 100))
def test_a_sample_is_cut_into_batches_of_like_length(lengths: list[int], size: int, most: int) -> None:
    batches = length_sorted(encoded(*lengths), 0, size, most)
    found = [int(n) for batch in batches for n in batch["attention_mask"].sum(axis=1)]
    assert found == sorted(found)
    assert 0 < len(found) <= most
    assert all(len(batch["input_ids"]) == size for batch in batches[:-1])


@pytest.mark.parametrize("turn", [1, 2, 5])
def test_every_batch_of_every_session_is_timed_whatever_the_turns(model: Path, turn: int) -> None:
    sessions = {"a": open_session(model), "b": open_session(model)}
    costs = time_sessions(sessions, length_sorted(encoded(2, 3, 4, 5), 0, 1), Silent(), rounds=1, turn=turn)
    assert costs.texts.tolist() == [1, 1, 1, 1]
    assert all(np.isfinite(costs.seconds[name]).all() for name in sessions)


def test_a_session_is_given_what_it_reads_in_its_own_width(model: Path) -> None:
    session = open_session(model)
    (batch,) = length_sorted(encoded(2, 3), 0)
    given_ = feeds(session, batch)
    assert {name: array.dtype for name, array in given_.items()} == {"input_ids": np.int32, "attention_mask": np.int64}
    assert session.run(["logits"], given_)[0].item() == 7 * 5


def test_files_are_told_apart_by_name(model: Path) -> None:
    assert set(measure_cost({"a": model, "b": model}, encoded(2, 3), 0, Silent())) == {"a", "b"}


def test_candidates_for_a_gpu_run_where_the_cuda_provider_is(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The CPU stands in for the provider's name: what a GPU gives is not shown here."""
    assert cost.can_measure("cpu")
    assert cost.can_measure("gpu") == ("CUDAExecutionProvider" in ort.get_available_providers())
    monkeypatch.setattr(cost, "CUDA", "CPUExecutionProvider")
    assert cost.can_measure("gpu")
    found = measure_cost({"one": model, "two": model}, encoded(*range(1, 600)), 0, Silent(), "gpu")
    assert set(found) == {"one", "two"}
    assert min(found.values()) > 0


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_gpu_that_does_not_start_is_not_timed_on_the_cpu(model: Path) -> None:
    """ONNX Runtime names a provider that it was built with, also where no driver is, and takes the CPU then."""
    if cost.can_measure("gpu"):
        pytest.skip("a GPU is at hand: MISSING is a machine without one")
    assert measure_cost({"one": model}, encoded(2, 3), 0, Silent(), "gpu") == {}


def test_a_gpu_that_breaks_off_keeps_no_version_back(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The CPU stands in for the GPU, and a batch without ids for one that does not fit its memory."""
    monkeypatch.setattr(cost, "CUDA", "CPUExecutionProvider")
    broken = [{"input_ids": np.zeros((1, 2), np.int64), "attention_mask": np.ones((1, 3), np.int64)}]
    monkeypatch.setattr(cost, "length_sorted", lambda *_, **__: broken)
    assert measure_cost({"one": model}, encoded(2, 3), 0, Silent(), "gpu") == {}
