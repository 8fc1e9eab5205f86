"""Lanes: every sub-batch once, in its place, on several threads, errors among the answers."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tritext_serve.front.answers import FloatArray
from tritext_serve.front.classifiers import ClassifierError, Lanes, SubBatch


def one(number: int) -> SubBatch:
    """A sub-batch that can be told from others."""
    return [np.full((1, 1), number, np.int64)]


def echo(batch: SubBatch) -> FloatArray:
    """Logits that say which sub-batch they belong to; every fifth is an error."""
    number = int(batch[0][0, 0])
    if number % 5 == 4:
        raise ClassifierError(f"no {number}")
    return np.full((1, 1), number, np.float32)


@settings(max_examples=40, deadline=None)
@given(count=st.integers(0, 30), lanes=st.integers(1, 4))
def test_each_sub_batch_gets_its_own_answer(count: int, lanes: int) -> None:
    classifiers = Lanes(echo, lanes)
    for _ in range(2):
        answers = classifiers.run([one(number) for number in range(count)])
        said = [str(answer) if isinstance(answer, ClassifierError) else int(answer[0, 0]) for answer in answers]
        assert said == [f"no {number}" if number % 5 == 4 else number for number in range(count)]


def test_as_many_run_at_once_as_there_are_lanes() -> None:
    together = threading.Barrier(3, timeout=20)

    def wait(batch: SubBatch) -> FloatArray:
        together.wait()
        return echo(batch)

    assert len(Lanes(wait, 3).run([one(0), one(1), one(2)])) == 3
    assert Lanes(wait, 3).lanes == 3


@pytest.mark.parametrize("lanes", [1, 2])
def test_an_error_that_is_not_the_classifiers_reaches_the_caller_and_ends_no_lane(lanes: int) -> None:
    def fail(batch: SubBatch) -> FloatArray:
        if batch[0][0, 0] == 1:
            raise MemoryError("no more")
        return echo(batch)

    classifiers = Lanes(fail, lanes)
    with pytest.raises(MemoryError, match="no more"):
        classifiers.run([one(0), one(1)])
    assert len(classifiers.run([one(2), one(3)])) == 2
