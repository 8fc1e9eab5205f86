"""Logits to labels: the activations, the outputs' shapes and types."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tritext_serve.front.answers import activate, decide, output_builders
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
    answers = decide(np.array([[18, 25]], np.float32), "sigmoid", [4], np.array([False]))
    assert answers.scores.tolist() == [[1.0, 1.0]]
    assert answers.label_ids.tolist() == [1]


def test_regression_passes_the_logit_on() -> None:
    logits = np.array([[3.25]], np.float32)
    answers = decide(logits, "none", [4], np.array([False]))
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
    answers = decide(
        np.array([[9, 9], [0, 2], [2, 0]], np.float32), "softmax", [1, 7, 3], np.array([False, True, False])
    )
    array = output_builders(OPTIONS)[name](answers, slice(1, 3))
    assert array.dtype == dtype
    assert array.tolist() == expected


def test_scores_have_one_column_a_label_and_score_is_the_best_of_them() -> None:
    answers = decide(np.array([[0, 2], [2, 0]], np.float32), "softmax", [7, 3], np.array([False, False]))
    scores = output_builders(OPTIONS)["scores"](answers, slice(0, 2))
    assert scores.shape == (2, 2)
    np.testing.assert_array_equal(output_builders(OPTIONS)["score"](answers, slice(0, 2))[:, 0], scores.max(axis=1))
