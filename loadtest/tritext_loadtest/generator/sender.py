"""One request: an arrival in, a record out. Knows the client, and nothing of Locust or gevent."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tritext import Client, DeadlineExceeded, Prediction, QueueFull, TritextError
from tritext_loadtest.plan import Plan
from tritext_loadtest.records import Outcome, Record, Writer
from tritext_loadtest.schedule import Arrival

Clock = Callable[[], float]
OUTCOMES: dict[type[TritextError], Outcome] = {QueueFull: Outcome.REJECTED, DeadlineExceeded: Outcome.LATE}


@dataclass(frozen=True, slots=True)
class Sent:
    """What a request led to: its record, and the error it ended with, if any."""

    record: Record
    error: TritextError | None


class Sender:
    """Sends a plan's requests over one client an address, and holds what comes back against what is expected."""

    def __init__(self, plan: Plan, clients: Sequence[Client], writer: Writer, clock: Clock = time.perf_counter) -> None:
        self._plan = plan
        self._clients = clients
        self._writer = writer
        self._clock = clock
        self.origin = clock()

    def warm_up(self) -> None:
        """Open the connections and learn the label names, before time counts.

        Raises:
            TritextError: the server does not answer.
        """
        for client in self._clients:
            self._classify(client, (0,))
        self.origin = self._clock()
        self._writer.note("start", "start", origin=self.origin)

    def send(self, arrival: Arrival) -> Sent:
        """Send a request, wait for its end, and write it down."""
        intended = self.origin + arrival.seconds
        lateness = self._clock() - intended
        wrong, ties, error = 0, 0, None
        outcome = Outcome.ANSWERED
        try:
            wrong, ties = self._judge(arrival, self._classify(self._clients[arrival.target], arrival.items))
        except TritextError as met:
            error = met
            outcome = OUTCOMES.get(type(met), Outcome.FAILED)
            self._writer.note(outcome.value, str(met))
        latency = self._clock() - intended
        texts = len(arrival.items)
        record = Record(arrival.seconds, lateness, latency, texts, outcome, wrong, ties, arrival.target)
        self._writer.record(record)
        return Sent(record, error)

    def shed(self, arrival: Arrival) -> None:
        """Write down a request that is not sent, since too many are open already."""
        texts = len(arrival.items)
        self._writer.record(Record(arrival.seconds, 0.0, 0.0, texts, Outcome.SHED, target=arrival.target))

    def _classify(self, client: Client, positions: Sequence[int]) -> list[Prediction]:
        items = [self._plan.items[position] for position in positions]
        pairs = [item.pair for item in items if item.pair is not None] or None
        return client.classify([item.text for item in items], pairs=pairs)

    def _judge(self, arrival: Arrival, answers: Sequence[Prediction]) -> tuple[int, int]:
        wrong = ties = 0
        for position, answer in zip(arrival.items, answers, strict=True):
            expected = self._plan.expected[position]
            if answer.label == expected.label:
                continue
            if expected.tie:
                ties += 1
                continue
            wrong += 1
            self._writer.note("wrong", answer.text, expected=expected.label, label=answer.label, score=answer.score)
        return wrong, ties
