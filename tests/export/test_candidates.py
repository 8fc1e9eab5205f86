"""Which forms are tried for which target."""

import doctest
import itertools
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tritext_export import candidates
from tritext_export.candidates import PRECISIONS, TARGETS, Candidate, Precision, Target, candidates_for
from tritext_export.certificate import limits_for
from tritext_export.errors import SourceError

REFUSED = {("cpu", "fp16"): "--precision fp16: a CPU", ("gpu", "int8"): "--precision int8: it is made for CPUs"}


@pytest.mark.parametrize("target", get_args(Target))
@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_request_has_an_answer(target: Target, precision: Precision) -> None:
    if (target, precision) in REFUSED:
        with pytest.raises(SourceError, match=REFUSED[target, precision] + ".*use --target"):
            candidates_for(target, precision)
        return
    found = [candidate for group in candidates_for(target, precision) for candidate in group]
    assert len({candidate.name for candidate in found}) == len(found), "tables tell them apart"
    assert {candidate.target for candidate in found} == {target}
    assert precision == "auto" or {candidate.precision for candidate in found} == {precision}
    for candidate in found:
        limits_for(candidate.precision)


@pytest.mark.parametrize(("target", "expected"), [("cpu", {"int8", "fp32"}), ("gpu", {"fp16", "fp32"})])
def test_auto_has_a_quick_form_and_a_safe_one(target: Target, expected: set[str]) -> None:
    groups = candidates_for(target, "auto")
    assert {candidate.precision for group in groups for candidate in group} == expected
    assert groups[-1][-1].precision == "fp32", "the last to be tried"


def test_the_quick_form_keeps_nobody_from_trying_the_safe_one() -> None:
    """Which of the two is faster is measured, so both must be there to measure."""
    for target in get_args(Target):
        assert len(candidates_for(target, "auto")) == 2


def test_the_next_int8_is_more_cautious() -> None:
    (group,) = candidates_for("cpu", "int8")
    cautions = [candidate.caution for candidate in group]
    assert cautions == sorted(set(cautions))
    assert len(cautions) > 1


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_caution_aims_higher_and_never_beyond_all(required: float, less: float, more: float) -> None:
    less, more = sorted((less, more))
    aims = [Candidate("int8", "cpu", "int8", caution).wanted_agreement(required) for caution in (0.0, less, more, 1.0)]
    assert all(a <= b + 1e-12 for a, b in itertools.pairwise(aims))
    assert aims[0] == pytest.approx(required)
    assert aims[-1] == 1


def test_every_gpu_is_a_gpu() -> None:
    assert set(TARGETS.values()) == {"cpu", "gpu"}
    assert [name for name, target in TARGETS.items() if target == "cpu"] == ["cpu"]
    assert not doctest.testmod(candidates).failed
