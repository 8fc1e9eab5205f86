"""What a front tells of its answers: digests that join, samples that agree, and nothing that makes a request wait."""

import json
import socket
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tritext_serve.front import witness
from tritext_serve.front.answers import Answers
from tritext_serve.front.long_texts import TRUNCATE, LongTexts
from tritext_serve.front.options import OptionsError
from tritext_serve.front.pipeline import DROPPED, Outcome
from tritext_serve.front.texts import TextInput
from tritext_serve.front.witness import ROW, Ticket, Told, Witness, pack_header, read_ticket, sample, unpack

HEADER = pack_header("sentiment", 3, ("negative", "positive"))
KEY = b"k" * 32


def outcome(texts: int, failures: Sequence[int] = ()) -> Outcome:
    """Text i has logits (i, 1)."""
    logits = np.array([(i, 1) for i in range(texts)], np.float32).reshape(texts, 2)
    answers = Answers(logits, "softmax", [5] * texts, np.zeros(texts, np.bool_))
    return Outcome(answers, dict.fromkeys(failures, DROPPED))


class Listener:
    """A socket that a witness finds, and what the witness counts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.counts: Counter[str] = Counter()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.setblocking(False)

    def witness(self, key: bytes = KEY, share: float = 1.0) -> Witness:
        """A front that tells this listener."""
        ticket = Ticket(str(self.path), key, share)
        return Witness(ticket, HEADER, TRUNCATE, lambda outcome, texts: self.counts.update({outcome: texts}))

    def heard(self) -> list[Told]:
        """All that has come since the last time."""
        told = []
        while True:
            try:
                told.append(unpack(self.socket.recv(1 << 18)))
            except BlockingIOError:
                return told

    def digests(self) -> list[int]:
        """The digests of it."""
        return [digest for told in self.heard() for digest in told.rows["digest"].tolist()]


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    """A listener of its own."""
    listening = Listener(tmp_path / "socket")
    yield listening
    listening.socket.close()


def test_labels_and_scores_arrive_by_digest_and_no_text_does(listener: Listener) -> None:
    teller = listener.witness()
    teller.tell(["a secret", "another"], (), outcome(2))
    data = listener.socket.recv(1 << 18)
    teller.close()
    assert b"secret" not in data
    told = unpack(data)
    assert (told.model, told.version, told.labels) == ("sentiment", 3, ("negative", "positive"))
    assert told.rows["label_id"].tolist() == [1, 0]
    np.testing.assert_allclose(told.rows["score"], [1 / (1 + np.exp(-1)), 0.5])
    assert listener.counts == {"sent": 2}


def test_two_fronts_digest_alike_with_one_key_alone(listener: Listener) -> None:
    texts: list[TextInput] = ["one", "two", ("one", "two"), ("onet", "wo"), ("o", "netwo"), ""]
    tellers = [listener.witness(), listener.witness(), listener.witness(b"another")]
    for teller in tellers:
        teller.tell(texts, (), outcome(len(texts)))
    first, same, other = np.array(listener.digests()).reshape(3, -1)
    for teller in tellers:
        teller.close()
    assert first.tolist() == same.tolist()
    assert not set(first.tolist()) & set(other.tolist())
    assert len(set(first.tolist())) == len(texts)


def test_a_text_that_is_taken_otherwise_is_another_text(listener: Listener) -> None:
    teller = listener.witness()
    teller.tell(["a", "a", "a"], [TRUNCATE, LongTexts("window"), LongTexts("window", 8)], outcome(3))
    teller.tell(["a"], (), outcome(1))
    teller.close()
    first, *others, usual = listener.digests()
    assert first == usual
    assert len({first, *others}) == 3


def test_texts_without_an_answer_are_left_out(listener: Listener) -> None:
    teller = listener.witness()
    teller.tell(["a", "b", "c"], (), outcome(3, failures=[1]))
    teller.tell(["b"], (), outcome(1, failures=[0]))
    teller.tell([], (), outcome(0))
    teller.tell(["a", "c"], (), outcome(2))
    teller.close()
    a, c, *again = listener.digests()
    assert again == [a, c]


def test_nobody_there_costs_no_digest_and_is_asked_again_later(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    listener.path.unlink()
    teller = listener.witness()
    teller.tell(["a", "b"], (), outcome(2))
    with monkeypatch.context() as patch:
        patch.setattr(Witness, "_digest", None)  # calling it would fail
        teller.tell(["c"], (), outcome(1))
    assert listener.counts == {"unheard": 3}
    back = Listener(listener.path)
    now += witness.DEAF_SECONDS
    teller.tell(["d"], (), outcome(1))
    assert len(back.digests()) == 1
    back.socket.close()
    teller.tell(["e"], (), outcome(1))
    teller.close()
    assert listener.counts == {"unheard": 4, "sent": 1}


def test_rows_wait_for_room_and_beyond_a_bound_are_dropped(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(witness, "MOST_ROWS", 64)
    teller = listener.witness()
    batches = int(Path("/proc/sys/net/unix/max_dgram_qlen").read_text()) + 200  # more than a socket takes
    for number in range(batches):
        teller.tell([str(number)], (), outcome(1))
    early = listener.digests()
    assert listener.counts["sent"] == len(early) < batches
    assert listener.counts["dropped"] == batches - len(early) - witness.MOST_ROWS // 2
    teller.tell(["last"], (), outcome(1))
    late = listener.digests()
    teller.close()
    assert len(late) == witness.MOST_ROWS // 2 + 1
    assert listener.counts["sent"] + listener.counts["dropped"] == batches + 1


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=50), st.floats(0.01, 1))
def test_the_sample_depends_on_the_digest_alone(digests: list[int], share: float) -> None:
    def sampled(some: Sequence[int]) -> list[int]:
        rows = sample(np.array(some, np.uint64), outcome(len(some)), share)
        taken: list[int] = np.frombuffer(rows, ROW)["digest"].tolist()
        return taken

    together = sampled(digests)
    assert together == [digest for digest in digests if sampled([digest])]
    assert set(together) <= set(sampled([*digests, *reversed(digests)]))


def test_the_sample_has_the_share_that_was_asked_for() -> None:
    digests = np.random.default_rng(5).integers(0, 2**64, 4000, np.uint64)
    assert abs(len(sample(digests, outcome(4000), 0.25)) / ROW.itemsize - 1000) < 150


@settings(max_examples=200)
@given(st.binary(max_size=64) | st.binary(max_size=64).map(lambda tail: HEADER + tail))
def test_what_is_no_datagram_of_a_front_is_refused_by_one_kind_of_error(data: bytes) -> None:
    try:
        told = unpack(data)
    except ValueError:
        return
    assert data.startswith(HEADER)
    assert len(told.rows) == (len(data) - len(HEADER)) // ROW.itemsize


@pytest.mark.parametrize(
    "said", [b"[]", b"{}", b"\xff", b'{"model": "m", "version": "x", "labels": []}', b'{"model": 1, "version": 1}']
)
def test_headers_that_say_something_else_are_refused(said: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        unpack(b"ttw1" + len(said).to_bytes(4, "little") + said)


def test_a_ticket_is_read_as_it_was_written(tmp_path: Path) -> None:
    ticket = Ticket("/run/s", KEY, 0.5)
    (tmp_path / "ticket").write_text(ticket.to_json())
    assert read_ticket(tmp_path / "ticket") == ticket


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", *(json.dumps({"socket": "s", "key": k, "share": s}) for k, s in (("", 1), ("zz", 1), ("aa", 0)))],
)
def test_a_ticket_that_makes_no_sense_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "ticket").write_text(content)
    with pytest.raises(OptionsError, match=f"^{tmp_path / 'ticket'}: "):
        read_ticket(tmp_path / "ticket")
