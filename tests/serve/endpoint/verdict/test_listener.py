"""The sockets that fronts speak to: each deployment its own, there only while it is compared."""

import socket
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tritext_serve.endpoint.model import Deployment, Endpoint
from tritext_serve.endpoint.verdict.comparison import Comparison, pairs_of
from tritext_serve.endpoint.verdict.join import Agreement
from tritext_serve.endpoint.verdict.ledger import Ledger, Pair, role_of
from tritext_serve.endpoint.verdict.listener import Listener
from tritext_serve.errors import EndpointError, WitnessError
from tritext_serve.front.answers import Answers
from tritext_serve.front.long_texts import TRUNCATE
from tritext_serve.front.pipeline import Outcome
from tritext_serve.front.witness import ROW, Told, Witness, pack_header, read_ticket, unpack

LABELS = ("negative", "positive")


def deployment(name: str, model: str = "sentiment", **variants: str) -> Deployment:
    """A deployment that nobody starts."""
    return Deployment(name, "e", Path("repository"), model, variants=variants)


def endpoint(traffic: dict[str, int], mirror: dict[str, int] | None = None) -> Endpoint:
    """An endpoint with three deployments."""
    deployments = {name: deployment(name) for name in ("blue", "green", "red")}
    return Endpoint("e", traffic=traffic, mirror_traffic=mirror or {}, deployments=deployments)


def wait_for(true: Callable[[], bool]) -> None:
    """Wait for a thread, generously."""
    deadline = time.monotonic() + 60
    while not true() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert true()


class Front:
    """A front without Triton: texts and the labels that it gives them."""

    def __init__(self, ticket: Path, model: str = "sentiment", labels: tuple[str, ...] = LABELS) -> None:
        self.counts: list[str] = []
        self._witness = Witness(
            read_ticket(ticket), pack_header(model, 1, labels), TRUNCATE, lambda outcome, _: self.counts.append(outcome)
        )

    def answer(self, labels: dict[str, int]) -> None:
        """Give each text a label."""
        logits = np.array([(0, 1) if label else (1, 0) for label in labels.values()], np.float32)
        answers = Answers(logits, "softmax", [3] * len(labels), np.zeros(len(labels), np.bool_))
        self._witness.tell(list(labels), (), Outcome(answers))

    def close(self) -> None:
        """Hang up."""
        self._witness.close()


@pytest.fixture
def comparison(tmp_path: Path) -> Iterator[Comparison]:
    """A comparison with sockets in a folder of its own."""
    comparing = Comparison(tmp_path / "w", tmp_path / "admin.sock")
    yield comparing
    comparing.close()
    assert not (tmp_path / "w").exists()


def test_what_two_fronts_tell_becomes_metrics_and_a_verdict(comparison: Comparison) -> None:
    fronts = {name: Front(comparison.ticket(name)) for name in ("blue", "green")}
    comparison.follow(endpoint({"blue": 100}, {"green": 10}))
    fronts["blue"].answer({"a": 0, "b": 1, "c": 1, "d": 1})
    fronts["green"].answer({"a": 0, "b": 0, "c": 1})
    wait_for(lambda: comparison.handle({})["pairs"] != [] and comparison.handle({})["pairs"][0]["compared"] == 3)
    said = comparison.handle({"verb": "verdict"})
    (pair,) = said["pairs"]
    assert (pair["live"], pair["candidate"], pair["disagreements"]) == ("blue", "green", 1)
    assert pair["pairs"] == [{"live": "positive", "candidate": "negative", "texts": 1}]
    assert pair["live_labels"] == {"negative": 1, "positive": 3}
    assert pair["candidate_labels"] == {"negative": 2, "positive": 1}
    samples = {(s.name, *s.labels.values()): s.value for family in comparison.collect() for s in family.samples}
    assert samples["tritext_mirror_compared_total", "blue", "green"] == 3
    assert samples["tritext_mirror_disagreements_total", "blue", "green", "positive", "negative"] == 1
    for front in fronts.values():
        front.close()


def test_labels_are_compared_by_name_whatever_their_order(comparison: Comparison) -> None:
    blue = Front(comparison.ticket("blue"))
    green = Front(comparison.ticket("green"), labels=("positive", "negative"))
    comparison.follow(endpoint({"blue": 100}, {"green": 10}))
    blue.answer({"a": 0, "b": 1})
    green.answer({"a": 1, "b": 0})
    wait_for(lambda: [pair["compared"] for pair in comparison.handle({})["pairs"]] == [2])
    assert comparison.handle({})["pairs"][0]["disagreements"] == 0
    blue.close()
    green.close()


def test_without_a_candidate_nobody_listens_and_what_was_found_stays(comparison: Comparison, tmp_path: Path) -> None:
    tickets = {name: comparison.ticket(name) for name in ("blue", "green")}
    comparison.follow(endpoint({"blue": 100}, {"green": 10}))
    assert {path.name for path in (tmp_path / "w").glob("*.sock")} == {"blue.sock", "green.sock"}
    fronts = [Front(ticket) for ticket in tickets.values()]
    for front in fronts:
        front.answer({"a": 1})
    wait_for(lambda: [pair["compared"] for pair in comparison.handle({})["pairs"]] == [1])
    comparison.follow(endpoint({"blue": 100}))
    assert list((tmp_path / "w").glob("*.sock")) == []
    fronts[0].answer({"b": 1})
    fronts[0].close()
    assert fronts[0].counts == ["sent", "unheard"]
    assert comparison.handle({})["pairs"][0]["compared"] == 1
    comparison.forget("green")
    assert comparison.handle({})["pairs"] == []
    fronts[1].close()


def test_folder_sockets_and_tickets_are_this_users_alone(comparison: Comparison, tmp_path: Path) -> None:
    comparison.ticket("blue")
    comparison.follow(endpoint({"blue": 100}, {"green": 10}))
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [tmp_path / "w", *(tmp_path / "w").iterdir()]}
    assert modes == {"w": 0o700, "blue.json": 0o600, "blue.sock": 0o600, "green.sock": 0o600}


def test_what_is_no_datagram_is_counted_and_changes_nothing(tmp_path: Path) -> None:
    heard: list[tuple[str, Told]] = []
    listener = Listener(tmp_path / "w", lambda *what: heard.append(what))
    listener.listen(["blue"])
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as speaker:
        speaker.connect(str(tmp_path / "w" / "blue.sock"))
        for data in (b"", b"nonsense", b"ttw1\xff\xff\xff\xff", pack_header("m", 1, LABELS)):
            speaker.send(data)
    wait_for(lambda: len(heard) == 1)
    listener.close()
    assert listener.malformed == 3
    assert (heard[0][0], heard[0][1].model) == ("blue", "m")


def test_the_thread_outlives_whatever_is_made_of_a_datagram(tmp_path: Path) -> None:
    heard: list[str] = []

    def take(deployment: str, told: Told) -> None:
        heard.append(told.model)
        if told.model == "bad":
            raise KeyError(told.model)

    listener = Listener(tmp_path / "w", take)
    listener.listen(["blue"])
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as speaker:
        speaker.connect(str(tmp_path / "w" / "blue.sock"))
        for model in ("bad", "good"):
            speaker.send(pack_header(model, 1, LABELS))
    wait_for(lambda: heard == ["bad", "good"])
    listener.close()
    assert listener.malformed == 1


def test_a_folder_too_deep_for_a_socket_is_named(tmp_path: Path) -> None:
    listener = Listener(tmp_path / ("x" * 100), lambda *_: None)
    with pytest.raises(WitnessError, match="longer than a socket's path may be"):
        listener.ticket("blue")
    listener.close()


def test_before_the_start_there_is_no_verdict(comparison: Comparison) -> None:
    with pytest.raises(EndpointError, match="has not started yet"):
        comparison.handle({})


@pytest.mark.parametrize(
    ("traffic", "mirror", "before", "expected"),
    [
        ({"blue": 100}, {}, None, []),
        ({"blue": 100}, {"green": 10}, None, [Pair("blue", "green")]),
        ({"blue": 60, "red": 40}, {"green": 10}, None, [Pair("blue", "green"), Pair("red", "green")]),
        ({"blue": 90, "green": 10}, {}, "green", [Pair("blue", "green")]),
        ({"blue": 0, "green": 100}, {}, "green", []),
        ({"blue": 100, "green": 0}, {}, "green", []),
        ({"blue": 90, "green": 10}, {}, None, []),
        ({}, {"green": 10}, None, []),
    ],
)
def test_who_is_compared_follows_from_traffic_and_mirror(
    traffic: dict[str, int], mirror: dict[str, int], before: str | None, expected: list[Pair]
) -> None:
    assert pairs_of(endpoint(traffic, mirror), before) == expected


def test_a_candidate_stays_one_between_its_mirror_and_its_first_share(comparison: Comparison, tmp_path: Path) -> None:
    for state in (({"blue": 100}, {"green": 10}), ({"blue": 100}, {}), ({"blue": 90, "green": 10}, {})):
        comparison.follow(endpoint(*state))
    assert {path.name for path in (tmp_path / "w").glob("*.sock")} == {"blue.sock", "green.sock"}


def told(labels: dict[int, int], model: str = "sentiment") -> Told:
    """A datagram: labels by digest."""
    rows = [(digest, label, 0.5) for digest, label in labels.items()]
    header = pack_header(model, 1, LABELS)
    return unpack(header + np.array(rows, ROW).tobytes())


def test_models_are_compared_by_the_route_they_stand_behind() -> None:
    blue, green = deployment("blue", "a", naive="n"), deployment("green", "b", naive="m")
    assert [role_of(blue, model) for model in ("a", "n", "x")] == ["/predict", "/predict/naive", "x"]
    ledger, pair = Ledger(), Pair("blue", "green")
    ledger.compare([pair], {"blue": blue, "green": green})
    ledger.take("blue", told({1: 0, 2: 0}, "a"), 0.0)
    ledger.take("green", told({1: 0}, "b"), 0.0)
    ledger.take("green", told({2: 1}, "m"), 0.0)  # the same text, on another route: no comparison
    assert ledger.agreements() == {
        pair: Agreement(1, live_labels={"negative": 2}, candidate_labels={"negative": 1, "positive": 1})
    }


def test_a_label_without_a_name_is_called_by_its_number() -> None:
    ledger = Ledger()
    ledger.compare([Pair("blue", "green")], {})
    ledger.take("blue", told({1: 7}), 0.0)
    assert ledger.agreements()[Pair("blue", "green")].live_labels == {"7": 1}
