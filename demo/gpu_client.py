"""One client process: a request in JSON on its standard input, its figures on its standard output.

It says ``ready`` when it has been answered, and begins when it is told to. ``gpu_load`` starts several of them.
"""

import json
import sys
import threading
import time
from dataclasses import dataclass

from tritext import Client, TritextError

ANSWER_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Order:
    """What one client process is to do.

    Attributes:
        url: The server's gRPC address.
        model: The front.
        texts: What to send, over and over.
        labels: What each is to get; "" where any label will do, as two are equally likely.
        size: Texts a request.
        threads: Requests in flight.
        seconds: How long.
    """

    url: str
    model: str
    texts: tuple[str, ...]
    labels: tuple[str, ...]
    size: int
    threads: int
    seconds: float


class _Sender:
    """The threads of one client process."""

    def __init__(self, order: Order, client: Client) -> None:
        self.texts = self.wrong = 0
        self.latencies: list[float] = []
        self.errors: list[Exception] = []
        self._order, self._client = order, client
        self._lock = threading.Lock()
        self._next = 0

    def send(self, until: float) -> None:
        """Send one request after another until a moment."""
        while time.perf_counter() < until and not self.errors:
            texts, labels = self._take()
            started = time.perf_counter()
            try:
                answers = self._client.classify(texts)
            except TritextError as error:
                self.errors.append(error)
                return
            taken = time.perf_counter() - started
            wrong = sum(label not in ("", answer.label) for answer, label in zip(answers, labels, strict=True))
            with self._lock:
                self.latencies.append(taken)
                self.texts += len(texts)
                self.wrong += wrong

    def _take(self) -> tuple[list[str], list[str]]:
        order = self._order
        with self._lock:
            start, self._next = self._next, self._next + order.size
        places = [place % len(order.texts) for place in range(start, start + order.size)]
        return [order.texts[place] for place in places], [order.labels[place] for place in places]


def main() -> None:
    """Be one client process."""
    order = Order(**json.loads(sys.stdin.readline()))
    with Client(
        order.url, order.model, timeout=ANSWER_SECONDS, max_batch_size=order.size, concurrency=1, retries=0
    ) as client:
        sender = _Sender(order, client)
        sender.send(time.perf_counter() + 0.2)
        sys.stdout.write('{"ready": true}\n')
        sys.stdout.flush()
        sys.stdin.readline()
        sender = _Sender(order, client) if not sender.errors else sender
        started, cpu = time.perf_counter(), time.process_time()
        threads = [threading.Thread(target=sender.send, args=(started + order.seconds,)) for _ in range(order.threads)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if sender.errors:
            sys.exit(str(sender.errors[0]))
        figures = {"texts": sender.texts, "wrong": sender.wrong, "latencies": sender.latencies}
        figures |= {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - cpu}
        sys.stdout.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
