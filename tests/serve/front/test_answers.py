"""Logits to labels: the activations, the outputs' shapes and types."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import tritext_serve.front.answers as module
from tritext_serve.front.answers import Answers, Columns, activate, output_builders
from tritext_serve.front.options import Options

logits_arrays = arrays(
    np.float32, st.tuples(st.integers(1, 8), st.integers(2, 5)), elements=st.floats(-80, 80, width=32)
)
OPTIONS = Options("c", 1, "sentiment", ("bad", "größer"), "softmax", 512, ("input_ids",), 0)


@given(logits_arrays)
def test_softmax_sums_to_one_and_keeps_the_order(logits: npt.NDArray[np.float32]) -> None:
    scores = activate(logits, "softmax")
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)
    best = np.take_along_axis(scores, logits.argmax(axis=1)[:, None], axis=1)[:, 0]
    np.testing.assert_array_equal(best, scores.max(axis=1))


def test_sigmoid_treats_each_label_alone_and_does_not_overflow() -> None:
    scores = activate(np.array([[-1000.0, 0.0, 1000.0]], np.float32), "sigmoid")
    np.testing.assert_allclose(scores, [[0, 0.5, 1]])


def test_the_label_is_the_largest_logits_though_scores_round_to_the_same() -> None:
    answers = Answers(np.array([[18, 25]], np.float32), "sigmoid", [4], np.array([False]))
    assert answers.scores.tolist() == [[1.0, 1.0]]
    assert answers.label_ids.tolist() == [1]


def test_regression_passes_the_logit_on() -> None:
    logits = np.array([[3.25]], np.float32)
    answers = Answers(logits, "none", [4], np.array([False]))
    assert answers.score.tolist() == [3.25]
    assert answers.label_ids.tolist() == [0]


@pytest.mark.parametrize(
    ("name", "dtype", "expected"),
    [
        ("sentiment", np.object_, [["größer".encode()], [b"bad"]]),
        ("label_id", np.int32, [[1], [0]]),
        ("tokens", np.int32, [[7], [3]]),
        ("truncated", np.bool_, [[True], [False]]),
    ],
)
def test_outputs_have_their_contracts_types_and_shapes(name: str, dtype: type, expected: list[list[object]]) -> None:
    answers = Answers(
        np.array([[9, 9], [0, 2], [2, 0]], np.float32), "softmax", [1, 7, 3], np.array([False, True, False])
    )
    array = Columns(output_builders(OPTIONS), answers)[name][1:3]
    assert array.dtype == dtype
    assert array.tolist() == expected


def test_scores_have_one_column_a_label_and_score_is_the_best_of_them() -> None:
    answers = Answers(np.array([[0, 2], [2, 0]], np.float32), "softmax", [7, 3], np.array([False, False]))
    columns = Columns(output_builders(OPTIONS), answers)
    assert columns["scores"].shape == (2, 2)
    assert columns["score"].shape == (2, 1)
    np.testing.assert_array_equal(columns["score"][:, 0], columns["scores"].max(axis=1))


def test_what_is_not_asked_for_is_not_built(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        pytest.fail("probabilities were computed")

    monkeypatch.setattr(module, "activate", refuse)
    columns = Columns(
        output_builders(OPTIONS), Answers(np.zeros((2, 2), np.float32), "softmax", [1, 1], np.zeros(2, np.bool_))
    )
    assert columns["label_id"].tolist() == [[0], [0]]
    assert columns["sentiment"].tolist() == [[b"bad"], [b"bad"]]
    assert set(columns) == {"label_id", "sentiment"}


def test_no_texts_have_no_answers() -> None:
    answers = Answers(np.zeros((0, 2), np.float32), "softmax", [], np.zeros(0, np.bool_))
    assert (answers.score.shape, answers.scores.shape, answers.label_ids.shape) == ((0,), (0, 2), (0,))
