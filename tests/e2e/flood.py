"""Requests on a schedule from many light clients: prepared bytes on open connections, one thread, no client library.

A client that costs as much as the server would flood itself; this one costs some 40 microseconds a request. Latency
counts from the moment when the request was due, and the number of connections bounds what is under way.
"""

import json
import random
import selectors
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import numpy as np

CONNECTIONS = 256


@dataclass
class Answered:
    """What came back.

    Attributes:
        accepted: Seconds of each request that was answered.
        labels: For each of those the number of its text, and the label given.
        rejected: Seconds of each request that was refused for a full queue.
        others: Bodies of what was neither.
        unsent: Requests for which no connection was free.
        late: Seconds that requests left after they were due.
    """

    accepted: list[float] = field(default_factory=list)
    labels: list[tuple[int, int]] = field(default_factory=list)
    rejected: list[float] = field(default_factory=list)
    others: list[bytes] = field(default_factory=list)
    unsent: int = 0
    late: list[float] = field(default_factory=list)

    def take(self, due: float, text: int, answer: bytes) -> None:
        """Sort one answer."""
        seconds = time.perf_counter() - due
        head, _, body = answer.partition(b"\r\n\r\n")
        if head.startswith(b"HTTP/1.1 200"):
            self.accepted.append(seconds)
            self.labels.append((text, json.loads(body)["outputs"][0]["data"][0]))
        elif b"Exceeds maximum queue size" in body:
            self.rejected.append(seconds)
        else:
            self.others.append(body)


def percentile(seconds: Sequence[float], share: float) -> float:
    """One percentile in milliseconds; nothing counts as nought."""
    return float(np.percentile(seconds, share)) * 1e3 if len(seconds) else 0.0


def flood(base: str, model: str, texts: Sequence[str], rate: float, seconds: float) -> Answered:
    """Send single texts at a rate, at random moments.

    Args:
        base: The server's ``http://HOST:PORT``.
        model: The front.
        texts: What to send, in turn.
        rate: Requests a second.
        seconds: For how long.
    """
    where = urlsplit(base)
    requests = [_request(where.netloc, model, text) for text in texts]
    free = [socket.create_connection((where.hostname or "", where.port or 0)) for _ in range(CONNECTIONS)]
    every = list(free)
    for connection in every:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    result, draws = Answered(), random.Random(1)
    with selectors.EpollSelector() as selector:
        due = started = time.perf_counter()
        number = 0
        while due - started < seconds:
            due += draws.expovariate(rate)
            _collect(selector, free, result, due)
            if not free:
                result.unsent += 1
                continue
            connection = free.pop()
            result.late.append(time.perf_counter() - due)
            connection.sendall(requests[number % len(texts)])
            selector.register(connection, selectors.EVENT_READ, (due, number % len(texts)))
            number += 1
        last = time.perf_counter() + 30
        while selector.get_map() and time.perf_counter() < last:
            _collect(selector, free, result, time.perf_counter() + 0.05)
    for connection in every:
        connection.close()
    return result


def _collect(selector: selectors.EpollSelector, free: list[socket.socket], result: Answered, until: float) -> None:
    """Take in answers until a moment, at least once."""
    while True:
        left = until - time.perf_counter()
        for key, _ in selector.select(max(left, 0)):
            connection = key.fileobj
            if not isinstance(connection, socket.socket):
                continue
            due, text = key.data
            result.take(due, text, _receive(connection))
            selector.unregister(connection)
            free.append(connection)
        if time.perf_counter() >= until:
            return


def _receive(connection: socket.socket) -> bytes:
    """Read one whole answer, which as a rule is in one packet."""
    answer = connection.recv(65536)
    while b"\r\n\r\n" not in answer or len(answer.partition(b"\r\n\r\n")[2]) < _length(answer):
        more = connection.recv(65536)
        if not more:
            return answer
        answer += more
    return answer


def _length(answer: bytes) -> int:
    head = answer.partition(b"\r\n\r\n")[0].lower()
    return int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)


def _request(host: str, model: str, text: str) -> bytes:
    tensor = {"name": "text", "shape": [1, 1], "datatype": "BYTES", "data": [text]}
    body = json.dumps({"inputs": [tensor], "outputs": [{"name": "label_id"}]}).encode()
    head = f"POST /v2/models/{model}/infer HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body
