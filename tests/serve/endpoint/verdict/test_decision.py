"""What a candidate must show: nothing is decided for it on too little, and shares always sum to 100."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tritext_serve.endpoint.verdict.decision import Answer, Bar, Evidence, judge, shift, steps_from
from tritext_serve.endpoint.verdict.join import Agreement
from tritext_serve.endpoint.verdict.served import Served

BAR = Bar()
GOOD = Evidence(
    Agreement(1000, {("a", "b"): 5}),
    Served(1000, 0, {10.0: 980, 20.0: 20}),
    Served(200, 0, {10.0: 190, 20.0: 10}),
    {"a": 500, "b": 500},
    {"a": 90, "b": 110},
)

counts = st.integers(0, 2000)
served = st.builds(
    lambda requests, errors, times: Served(max(requests, errors), errors, times),
    counts,
    st.integers(0, 50),
    st.dictionaries(st.sampled_from([1.0, 5.0, 20.0, 100.0]), st.integers(1, 500)),
)
labels = st.dictionaries(st.sampled_from("abc"), counts)
evidences = st.builds(
    Evidence,
    st.builds(lambda n, pairs: Agreement(n + sum(pairs.values()), pairs), counts,
              st.dictionaries(st.just(("a", "b")), st.integers(1, 50))),
    served, served, labels, labels,
)  # fmt: skip
bars = st.builds(Bar, st.floats(0, 0.1), st.integers(1, 1000), st.floats(0, 0.1), st.floats(1, 5), st.integers(1, 500))


def test_a_good_candidate_goes_on() -> None:
    assert judge(GOOD, BAR).answer is Answer.GO


@given(evidences, bars)
def test_no_candidate_goes_on_with_too_little_or_bad_evidence(evidence: Evidence, bar: Bar) -> None:
    judgement = judge(evidence, bar)
    assert (judgement.answer is Answer.GO) is (not judgement.reasons)
    if judgement.answer is not Answer.GO:
        return
    assert evidence.agreement.compared >= bar.compared
    assert evidence.agreement.share <= bar.disagreement
    for served in (evidence.candidate, evidence.live):
        assert min(served.requests, served.timed) >= bar.requests
    assert evidence.candidate.error_share <= bar.errors + evidence.live.error_share + 1e-9


@given(evidences, bars, st.integers(1, 100))
def test_more_of_what_is_bad_never_helps(evidence: Evidence, bar: Bar, more: int) -> None:
    assume(judge(evidence, bar).answer is Answer.STOP)
    agreement, candidate = evidence.agreement, evidence.candidate
    pairs = {("a", "b"): agreement.disagreements + more}
    worse = replace(
        evidence,
        agreement=Agreement(agreement.compared + more, pairs),
        candidate=replace(candidate, requests=candidate.requests + more, errors=candidate.errors + more),
    )
    assert judge(worse, bar).answer is Answer.STOP


@pytest.mark.parametrize(
    ("worse", "words"),
    [
        (
            replace(GOOD, agreement=Agreement(1000, {("a", "b"): 6})),
            r"6 of 1000 texts .* \(0.60%, allowed 0.50%\), most",
        ),
        (replace(GOOD, agreement=Agreement(3, {("a", "b"): 3})), r"3 of 3 texts get another label \(100.00%"),
        (replace(GOOD, candidate=Served(200, 3, {10.0: 200})), r"3 of 200 answers are errors \(1.50%, allowed 1.00%\)"),
        (
            replace(GOOD, candidate=Served(200, 0, {10.0: 190, 40.0: 10})),
            r"10 of 200 answers took more than 30 ms, which 1 % may: .* 40 ms, 20 ms",
        ),
        (replace(GOOD, candidate_labels={"a": 140, "b": 60}), r"label 'a' comes in 70.0% of the texts, 50.0%"),
    ],
    ids=["labels", "labels at once", "errors", "latency", "shift"],
)
def test_what_speaks_against_a_candidate_is_said(worse: Evidence, words: str) -> None:
    judgement = judge(worse, BAR)
    assert judgement.answer is Answer.STOP
    with pytest.raises(AssertionError, match=words):
        raise AssertionError("; ".join(judgement.reasons))


@pytest.mark.parametrize(
    "no_worse",
    [
        replace(GOOD, agreement=Agreement(1000)),
        replace(GOOD, live=Served(1000, 50, {10.0: 1000}), candidate=Served(200, 11, {10.0: 200})),
        replace(GOOD, live=Served(1000, 0, {1.0: 1000}), candidate=Served(200, 0, {5.0: 200})),
        replace(GOOD, candidate=Served(200, 0, {10.0: 194, 900.0: 6})),
        replace(GOOD, live_labels={"a": 4, "b": 1}, candidate_labels={"a": 1, "b": 4}),
    ],
    ids=["none", "live errs as much", "less than noise", "a pause", "few labels"],
)
def test_what_does_not_speak_against_it(no_worse: Evidence) -> None:
    assert judge(no_worse, BAR).answer is Answer.GO


@pytest.mark.parametrize(
    ("few", "words"),
    [
        (replace(GOOD, agreement=Agreement(499)), "499 of 500 texts compared"),
        (replace(GOOD, candidate=Served(200, 0, {10.0: 99})), "99 of 100 answers of the candidate timed"),
        (replace(GOOD, live=Served(99, 0, {20.0: 100})), "99 of 100 answers of the live timed"),
    ],
)
def test_what_lacks_is_said(few: Evidence, words: str) -> None:
    judgement = judge(few, BAR)
    assert (judgement.answer, judgement.reasons) == (Answer.WAIT, (words,))


@st.composite
def splits(draw: st.DrawFn) -> dict[str, int]:
    """Traffic of one to five deployments, 100 together."""
    names = [f"d{i}" for i in range(draw(st.integers(1, 5)))]
    cuts = sorted(draw(st.lists(st.integers(0, 100), min_size=len(names) - 1, max_size=len(names) - 1)))
    return dict(zip(names, (b - a for a, b in zip([0, *cuts], [*cuts, 100], strict=True)), strict=True))


@given(splits(), st.sampled_from(["d0", "new"]), st.integers(0, 100))
def test_shares_always_sum_to_100_and_nobody_else_gains(traffic: dict[str, int], who: str, share: int) -> None:
    share = max(share, traffic.get(who, 0))
    shifted = shift(traffic, who, share)
    assert sum(shifted.values()) == 100
    assert all(part >= 0 for part in shifted.values())
    assert set(shifted) == {*traffic, who}
    if set(traffic) - {who} and any(part for name, part in traffic.items() if name != who):
        assert shifted[who] == share
        assert all(shifted[name] <= part for name, part in traffic.items() if name != who)


@given(splits(), st.lists(st.integers(1, 100), max_size=6))
def test_steps_grow_and_take_from_everybody_else(traffic: Mapping[str, int], wanted: list[int]) -> None:
    current = traffic.get("d0", 0)
    steps = steps_from(current, wanted)
    assert steps == sorted(set(steps))
    assert all(share > current for share in steps)
    assert [share for share in wanted if share > current and share not in steps] == []
