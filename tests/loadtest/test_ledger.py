"""What requests add up to, and the lines that they are written down in."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tritext_loadtest.ledger import MOST_BINS, Ledger, Spread
from tritext_loadtest.records import MOST_NOTES, Outcome, Reader, Record, Writer, records_path

seconds = st.integers(0, 60_000_000).map(lambda us: us / 1e6)
records = st.lists(
    st.builds(
        Record, seconds, seconds, seconds, st.integers(1, 32), st.sampled_from(Outcome), st.integers(0, 3), st.just(0)
    ),
    max_size=80,
)


@given(records)
def test_a_record_is_read_as_it_was_written(wrote: list[Record]) -> None:
    assert [Record.from_line(record.to_line()) for record in wrote] == wrote


@given(records)
def test_every_request_and_text_is_counted_once(made: list[Record]) -> None:
    ledger = Ledger()
    ledger.add(made[:10])
    ledger.add(made[10:])
    totals = ledger.totals(60)
    assert sum(totals.outcomes.values()) == totals.requests == len(made)
    assert totals.wrong == sum(record.wrong for record in made)
    assert totals.count(*Outcome) == len(made)
    assert 0 <= totals.error_rate + totals.rejected_share <= 1
    assert totals.seconds >= 60
    course = ledger.course(60.5)
    assert len(course) <= MOST_BINS
    assert sum(m.offered for m in course) >= sum(record.texts for record in made) - 1e-6


def test_latency_is_of_answered_requests_only() -> None:
    ledger = Ledger()
    ledger.add([Record(0.0, 0.0, 0.1, 1, Outcome.ANSWERED), Record(0.0, 0.0, 9.0, 1, Outcome.LATE)])
    ledger.add([Record(0.0, 0.0, 0.02, 1, Outcome.REJECTED), Record(0.0, 0.0, 0.0, 1, Outcome.SHED)])
    totals = ledger.totals(1)
    assert totals.latency == Spread(100, 100, 100, 100, 100)
    assert totals.rejection is not None
    assert totals.rejection.p50 == pytest.approx(20)
    assert (totals.error_rate, totals.rejected_share) == (0.5, 0.25)


def test_lateness_is_of_requests_that_were_sent() -> None:
    ledger = Ledger()
    ledger.add([Record(0.0, 0.005, 0.1, 1, Outcome.ANSWERED), Record(0.0, 0.0, 0.0, 1, Outcome.SHED)])
    assert ledger.totals(1).lateness_p99 == pytest.approx(5)


def test_nothing_adds_up_to_nothing() -> None:
    totals = Ledger().totals(1)
    assert (totals.requests, totals.error_rate, totals.latency, totals.texts_per_second) == (0, 0, None, 0)
    assert Ledger().course(1) == []


def test_files_are_read_while_they_grow(tmp_path: Path) -> None:
    reader = Reader(tmp_path, 2)
    assert list(reader.records()) == []
    writers = [Writer(tmp_path, index) for index in range(2)]
    made = [Record(float(i), 0.0, 0.5, 1, Outcome.ANSWERED) for i in range(4)]
    writers[0].record(made[0])
    writers[1].record(made[1])
    assert list(reader.records()) == made[:2]
    with records_path(tmp_path, 0).open("a") as half:
        half.write(made[2].to_line()[:5])
        half.flush()
        assert list(reader.records()) == []
        half.write(made[2].to_line()[5:])
    assert list(reader.records()) == [made[2]]
    for writer in writers:
        writer.close()


def test_notes_are_written_once_and_not_without_end(tmp_path: Path) -> None:
    writer = Writer(tmp_path, 0)
    for number in range(100):
        writer.note("failed", f"error {number}")
        writer.note("wrong", "a text\n", label="x")
    writer.close()
    notes = list(Reader(tmp_path, 1).notes())
    assert sum(note["kind"] == "failed" for note in notes) == MOST_NOTES
    assert [note for note in notes if note["kind"] == "wrong"] == [{"kind": "wrong", "words": "a text\n", "label": "x"}]
