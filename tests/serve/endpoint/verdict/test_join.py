"""Answers of two sides joined by digest: each text once, in whichever order they come, in bounded memory."""

import math
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tritext_serve.endpoint.verdict import join as join_module
from tritext_serve.endpoint.verdict.join import OTHER, OTHERS, Agreement, Join, Seen, Side, Tallied

Event = tuple[Side, int, Seen]
LABELS = ("negative", "neutral", "positive")
answers = st.dictionaries(
    st.integers(0, 40), st.builds(Seen, st.sampled_from(LABELS), st.floats(0, 1, width=32)), max_size=30
)


def joined(events: Sequence[Event], window: float = 1e9, most: int = 1000) -> tuple[Join, Agreement]:
    """Let a join see events, one a second."""
    tallied = Tallied()
    join = Join(tallied, window, most)
    for now, (side, digest, seen) in enumerate(events):
        join.see(side, digest, seen, float(now))
    return join, tallied.agreement()


@given(st.data(), answers, answers)
def test_each_text_that_both_answered_counts_once_whatever_the_order(
    data: st.DataObject, live: dict[int, Seen], candidate: dict[int, Seen]
) -> None:
    events: list[Event] = [("live", digest, seen) for digest, seen in live.items()]
    events += [("candidate", digest, seen) for digest, seen in candidate.items()]
    repeated = data.draw(st.lists(st.sampled_from(events), max_size=20)) if events else []
    _, agreement = joined(data.draw(st.permutations([*events, *repeated])))
    both = live.keys() & candidate.keys()
    assert agreement.compared == len(both)
    assert agreement.live_labels == Counter(seen.label for seen in live.values())
    assert agreement.candidate_labels == Counter(seen.label for seen in candidate.values())
    differing = [(live[d].label, candidate[d].label) for d in both if live[d].label != candidate[d].label]
    assert agreement.pairs == {pair: differing.count(pair) for pair in differing}
    same = [abs(live[d].score - candidate[d].score) for d in both if live[d].label == candidate[d].label]
    assert agreement.max_score_difference == max(same, default=0.0)
    assert agreement.mean_score_difference == pytest.approx(sum(same) / len(same) if same else 0.0)


@given(
    st.lists(st.tuples(st.sampled_from(["live", "candidate"]), st.integers(0, 99)), max_size=100),
    st.integers(1, 20),
    st.integers(1, 30),
)
def test_memory_is_bounded_by_number_and_by_age(events: list[tuple[Side, int]], most: int, window: int) -> None:
    join, agreement = joined([(side, digest, Seen("a", 0.5)) for side, digest in events], window, most)
    assert len(join) <= min(most, window + 1)
    assert agreement.compared <= len(events) / 2


def test_the_first_answer_of_a_side_is_the_one_compared() -> None:
    events: list[Event] = [("live", 1, Seen("a", 1)), ("live", 1, Seen("b", 1)), ("candidate", 1, Seen("a", 1))]
    assert joined(events)[1] == Agreement(1, live_labels={"a": 1}, candidate_labels={"a": 1})


def test_a_text_is_new_again_after_the_window() -> None:
    once: list[Event] = [("live", 1, Seen("a", 1)), ("candidate", 1, Seen("b", 1))]
    assert joined([*once, *once], window=2)[1].compared == 2
    assert joined([*once, *once], window=4)[1].compared == 1


def test_an_answer_that_comes_after_the_window_meets_nobody() -> None:
    events: list[Event] = [("live", 1, Seen("a", 1)), ("live", 2, Seen("a", 1)), ("candidate", 1, Seen("a", 1))]
    assert joined(events, window=2)[1].compared == 0
    assert joined(events, window=3)[1].compared == 1


def test_scores_that_are_no_numbers_spoil_no_mean() -> None:
    events: list[Event] = [("live", 1, Seen("a", math.nan)), ("candidate", 1, Seen("a", 0.5))]
    events += [("live", 2, Seen("a", 0.25)), ("candidate", 2, Seen("a", 0.5))]
    assert joined(events)[1] == Agreement(2, {}, 0.25, 0.25, {"a": 2}, {"a": 2})


def test_labels_without_end_are_put_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(join_module, "MOST_PAIRS", 3)
    monkeypatch.setattr(join_module, "MOST_LABELS", 4)
    events: list[Event] = []
    for digest in range(10):
        events += [("live", digest, Seen("a", 1)), ("candidate", digest, Seen(f"b{digest}", 1))]
    agreement = joined(events)[1]
    assert agreement.disagreements == 10
    assert agreement.pairs[OTHERS] == 7
    assert agreement.candidate_labels == {"b0": 1, "b1": 1, "b2": 1, "b3": 1, OTHER: 6}


@given(answers, answers)
def test_what_is_described_is_read_again(live: dict[int, Seen], candidate: dict[int, Seen]) -> None:
    events: list[Event] = [("live", d, s) for d, s in live.items()]
    events += [("candidate", d, s) for d, s in candidate.items()]
    agreement = joined(events)[1]
    assert Agreement.read(agreement.described()) == agreement
