"""The front's counts are those that a Prometheus histogram and counters would show."""

import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tritext_serve.front.answers import Answers
from tritext_serve.front.pipeline import Failure, Outcome
from tritext_serve.front.tally import HISTOGRAMS, MOST_WAITING, Series, Tally


def outcome(scores: list[float], failures: dict[int, Failure] | None = None) -> Outcome:
    """An outcome whose texts got the second label with these scores, ten tokens each, the first one truncated."""
    table = np.array([[0.0, score] for score in scores], np.float32).reshape(-1, 2)
    truncated = np.arange(len(scores)) == 0
    return Outcome(Answers(table, "none", [10] * len(scores), truncated), failures or {}, padding=7)


@given(st.lists(st.floats(0.125, 1, width=32), max_size=50))
def test_buckets_are_cumulative_and_agree_with_a_count_by_hand(scores: list[float]) -> None:
    tally = Tally(("no", "yes"))
    tally.count(["ok"], [0.1], [0.05], outcome(scores[:20]))
    tally.count(["ok"], [0.1], [0.05], outcome(scores[20:]))
    counts = dict(tally.drain())
    for bound in HISTOGRAMS["sentiment_score"]:
        expected = sum(np.float32(score) <= bound for score in scores)
        assert counts.get(Series("sentiment_score_bucket", "le", f"{bound:g}"), 0) == expected
    for name in ("sentiment_score", "prediction_tokens"):
        assert (
            counts.get(Series(f"{name}_count"), 0)
            == counts.get(Series(f"{name}_bucket", "le", "+Inf"), 0)
            == len(scores)
        )
    assert counts.get(Series("sentiment_score_sum"), 0) == pytest.approx(sum(scores), rel=1e-5)


def test_texts_told_to_a_listener_are_counted_where_there_is_one() -> None:
    silent, telling = Tally(("no", "yes")), Tally(("no", "yes"), told=True)
    named = {series.value for series in telling.series() if series.family == "prediction_told_total"}
    assert named == {"sent", "dropped", "unheard"}
    assert not any(series.family == "prediction_told_total" for series in silent.series())
    telling.count_told("sent", 3)
    telling.count_told("sent", 2)
    assert telling.drain() == [(Series("prediction_told_total", "outcome", "sent"), 5)]


def test_failed_texts_count_for_nothing() -> None:
    tally = Tally(("no", "yes"))
    tally.count(["failed"], [0.1], [0.05], outcome([0.9, 0.8, 0.7], {0: Failure("failed", "out of memory")}))
    counts = dict(tally.drain())
    assert counts[Series("prediction_labels_total", "label", "yes")] == 2
    assert Series("prediction_truncated_total") not in counts
    assert counts[Series("prediction_padding_tokens_total")] == 7


def test_requests_count_by_outcome_and_duration() -> None:
    tally = Tally(("no", "yes"))
    tally.count(["ok", "refused"], [0.03, 0.03], [0.002], outcome([0.9]))
    tally.count(["ok"], [0.001], [0.0005], outcome([0.9]))
    counts = dict(tally.drain())
    assert counts[Series("prediction_requests_total", "outcome", "ok")] == 2
    assert counts[Series("prediction_requests_total", "outcome", "refused")] == 1
    assert counts[Series("prediction_duration_seconds_bucket", "le", "0.05")] == 3
    assert counts[Series("prediction_duration_seconds_bucket", "le", "0.02")] == 1
    assert counts[Series("prediction_duration_seconds_sum")] == pytest.approx(0.061)


def test_only_requests_that_were_queued_count_as_waiting_and_only_batches_with_texts_as_batches() -> None:
    tally = Tally(("no", "yes"))
    tally.count(["rejected", "rejected"], [0.001, 0.001], (), outcome([]))
    tally.count(["ok", "ok"], [0.05, 0.04], [0.03, 0.02], outcome([0.9, 0.8, 0.7]))
    counts = dict(tally.drain())
    assert counts[Series("prediction_queue_seconds_count")] == 2
    assert counts[Series("prediction_queue_seconds_sum")] == pytest.approx(0.05)
    assert counts[Series("prediction_batch_texts_count")] == 1
    assert counts[Series("prediction_batch_texts_sum")] == 3


def test_what_is_drained_is_gone_and_every_series_is_listed_with_a_description() -> None:
    tally = Tally(("no", "yes"))
    tally.count(["ok"], [0.1], [0.05], outcome([0.9]))
    drained = {series for series, _ in tally.drain()}
    assert tally.drain() == []
    assert drained <= set(tally.series())
    assert all(series.description for series in tally.series())


def test_a_regression_s_scores_are_no_probabilities_and_not_counted() -> None:
    tally = Tally(("stars",), probable=False)
    tally.count(["ok"], [0.1], [0.05], regression([-3.0, 2.0]))
    counted = {series.family for series, _ in tally.drain()}
    assert "prediction_tokens_sum" in counted
    assert not {f for f in counted | {series.family for series in tally.series()} if f.startswith("sentiment_score")}


@given(st.lists(st.floats(width=32), max_size=20))
def test_no_counter_ever_goes_down(scores: list[float]) -> None:
    tally = Tally(("stars",))
    tally.count(["ok"], [0.1], [0.05], regression(scores))
    assert all(count > 0 for _, count in tally.drain())


def test_counting_batches_keeps_a_bounded_number_of_them() -> None:
    tally = Tally(("no", "yes"))
    kept: weakref.WeakSet[Answers] = weakref.WeakSet()
    count = 2 * MOST_WAITING + 1
    for _ in range(count):
        batch = outcome([0.9])
        kept.add(batch.answers)
        tally.count(["ok"], [0.1], [0.05], batch)
    assert len(kept) <= MOST_WAITING
    assert dict(tally.drain())[Series("prediction_requests_total", "outcome", "ok")] == count


def regression(scores: list[float]) -> Outcome:
    """An outcome with one score a text, which is no probability."""
    column = np.array(scores, np.float32).reshape(-1, 1)
    return Outcome(Answers(column, "none", [10] * len(scores), np.zeros(len(scores), np.bool_)))
