"""One request: sent late or in time, answered, refused or wrong, and written down."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.client.fake_transport import FakeTransport, label
from tritext import Client, DeadlineExceeded, InferenceFailed, QueueFull, TritextError
from tritext_loadtest.expectations import Expected
from tritext_loadtest.generator.sender import Sender
from tritext_loadtest.plan import Plan
from tritext_loadtest.records import Outcome, Reader, Writer
from tritext_loadtest.scenarios import SCENARIOS
from tritext_loadtest.schedule import Arrival, Draw
from tritext_loadtest.texts import Item

TEXTS = ("a", "bb", "ccc")


def make_plan(expected: tuple[Expected, ...], processes: int = 1, pair: str | None = None) -> Plan:
    """Three texts, at ten a second for two seconds."""
    steady = SCENARIOS["steady"]
    return Plan(
        scenario="steady",
        urls=("grpc://h:1",),
        model="m",
        phases=steady.phases(10, 2),
        draw=Draw(len(TEXTS), 0, 0.0, steady.batches, 1),
        seed=1,
        items=tuple(Item(text, pair) for text in TEXTS),
        expected=expected,
        timeout=1.0,
        in_flight=4,
        processes=processes,
    )


RIGHT = tuple(Expected(label(text)) for text in TEXTS)


@contextmanager
def sender(folder: Path, plan: Plan, *errors: TritextError) -> Iterator[Sender]:
    """A sender whose clock says 100, 100.25, 100.5 …"""
    ticks = iter(100 + i / 4 for i in range(1000))
    transport, writer = FakeTransport(), Writer(folder, 0)
    with Client("grpc://h:1", "m", transport=transport, retries=0) as client:
        client.classify("x")  # learns the label names
        transport._errors.extend(errors)
        yield Sender(plan, [client], writer, lambda: next(ticks))
    writer.close()


def test_latency_counts_from_when_it_was_to_be_sent(tmp_path: Path) -> None:
    with sender(tmp_path, make_plan(RIGHT)) as made:
        record = made.send(Arrival(0.125, (0, 1, 2), 0)).record  # the origin is 100
    assert (record.lateness, record.latency) == (0.125, 0.375)
    assert (record.texts, record.outcome, record.wrong, record.ties) == (3, Outcome.ANSWERED, 0, 0)
    assert list(Reader(tmp_path, 1).records()) == [record]


def test_a_wrong_label_is_counted_and_told(tmp_path: Path) -> None:
    wrong = (Expected("positive" if RIGHT[0].label != "positive" else "negative"), *RIGHT[1:])
    with sender(tmp_path, make_plan(wrong)) as made:
        assert made.send(Arrival(0, (0, 1), 0)).record.wrong == 1
    (note,) = Reader(tmp_path, 1).notes()
    assert (note["kind"], note["words"], note["label"], note["expected"]) == ("wrong", "a", label("a"), wrong[0].label)


def test_another_label_of_a_tie_is_no_wrong_one(tmp_path: Path) -> None:
    ties = tuple(Expected("nobody", tie=True) for _ in TEXTS)
    with sender(tmp_path, make_plan(ties)) as made:
        record = made.send(Arrival(0, (0, 1), 0)).record
    assert (record.wrong, record.ties) == (0, 2)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (QueueFull("full"), Outcome.REJECTED),
        (DeadlineExceeded("late"), Outcome.LATE),
        (InferenceFailed("broken"), Outcome.FAILED),
    ],
)
def test_each_error_is_an_outcome(tmp_path: Path, error: TritextError, outcome: Outcome) -> None:
    with sender(tmp_path, make_plan(RIGHT), error) as made:
        sent = made.send(Arrival(0, (0,), 0))
    assert (sent.record.outcome, sent.error) == (outcome, error)
    assert [note["words"] for note in Reader(tmp_path, 1).notes()] == [str(error)]


def test_a_text_that_reads_as_another_kind_of_note_takes_nothing_from_it(tmp_path: Path) -> None:
    writer = Writer(tmp_path, 0)
    for kind in ("wrong", "end", "end"):
        writer.note(kind, "end")
    writer.close()
    assert [note["kind"] for note in Reader(tmp_path, 1).notes()] == ["wrong", "end"]


def test_what_is_not_sent_is_written_down(tmp_path: Path) -> None:
    with sender(tmp_path, make_plan(RIGHT)) as made:
        made.shed(Arrival(1.5, (0, 1), 0))
    (record,) = Reader(tmp_path, 1).records()
    assert (record.outcome, record.texts, record.intended) == (Outcome.SHED, 2, 1.5)


def test_time_begins_after_the_warm_up(tmp_path: Path) -> None:
    with sender(tmp_path, make_plan(RIGHT)) as made:
        made.warm_up()
        assert made.origin > 100
    assert [note["kind"] for note in Reader(tmp_path, 1).notes()] == ["start"]


def test_pairs_are_sent_as_pairs(tmp_path: Path) -> None:
    transport, writer = FakeTransport(), Writer(tmp_path, 0)
    with Client("grpc://h:1", "m", transport=transport) as client:
        Sender(make_plan(RIGHT, pair="q"), [client], writer).send(Arrival(0, (0, 1), 0))
    writer.close()
    assert transport.calls[0].pairs == ("q", "q")


def test_processes_share_a_plan_without_gap_or_overlap(tmp_path: Path) -> None:
    plan = make_plan(RIGHT, processes=3)
    plan.write(tmp_path)
    read = Plan.read(tmp_path)
    assert read == plan
    shares = [list(read.share(index)) for index in range(3)]
    everything = sorted((arrival for share in shares for arrival in share), key=lambda a: a.seconds)
    assert everything == list(make_plan(RIGHT).share(0))
