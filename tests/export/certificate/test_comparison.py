"""The comparison: what may be compared, and that nothing hangs on the order of the texts."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.export.certificate.compared import ANYTHING, LABELS, SUBJECT, FloatArray, compare, logits_arrays, rows
from tritext_export.certificate import Comparison, certify
from tritext_export.errors import CertificateError
from tritext_export.labelled import Example


@settings(deadline=None)
@given(logits_arrays, logits_arrays, st.randoms(use_true_random=False))
def test_the_order_of_the_texts_changes_nothing(reference: FloatArray, other: FloatArray, random: Any) -> None:
    count = min(len(reference), len(other))
    order = list(range(count))
    random.shuffle(order)
    examples = [Example(f"text {i}", LABELS[i % 3]) for i in range(count)]

    def ordered(places: list[int]) -> dict[str, Any]:
        runs = {1: other[places], 8: (reference[:count] / 2 + other[:count] / 2)[places]}
        chosen = [examples[i] for i in places]
        comparison = Comparison(chosen, [2 + 7 * i for i in places], reference[places], runs, LABELS, "softmax")
        content = certify(comparison, ANYTHING, SUBJECT).to_json()
        content["flips"].sort(key=lambda flip: flip["text"])
        return content

    assert_close(ordered(list(range(count))), ordered(order))


def assert_close(ours: Any, theirs: Any) -> None:
    """Compare JSON, floats up to the rounding of another order of addition."""
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        for key in ours:
            assert_close(ours[key], theirs[key])
    elif isinstance(ours, list):
        assert len(ours) == len(theirs)
        for mine, yours in zip(ours, theirs, strict=True):
            assert_close(mine, yours)
    elif isinstance(ours, float):
        assert ours == pytest.approx(theirs, abs=1e-9)
    else:
        assert ours == theirs


def test_a_checkpoint_that_answers_nan_is_no_measure() -> None:
    with pytest.raises(CertificateError, match="the checkpoint itself answers NaN or infinity, first to 'text 0'"):
        compare(rows((np.nan, 0, 0)), rows((0, 0, 0)))


def test_arrays_of_other_shapes_are_no_comparison() -> None:
    with pytest.raises(CertificateError, match=r"in batches of 1 the export answers \(1, 2\), the checkpoint \(1, 3\)"):
        compare(rows((0, 0, 0)), rows((0, 0)))
    with pytest.raises(CertificateError, match="at least one text"):
        compare(np.empty((0, 3), np.float32), np.empty((0, 3), np.float32))
