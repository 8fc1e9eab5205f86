"""Does the time of a refusal tell how much of a key was right? Wrong keys to a real edge, in turns; figures out.

::

    python demo/key_timing.py                      # 20,000 samples of each kind, a minute on a quiet machine

Every kind of wrong key has as many characters as a right one, and begins with 0, 1, 8 … characters of it. The kinds are
asked in an order drawn anew for each round, over one connection on loopback, which is quieter than any network. One
more kind is a control: a key so long that its hash takes longer, which the method must notice.
"""

import argparse
import random
import secrets
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tritext_serve.endpoint.edge import Edge, Listener, render
from tritext_serve.endpoint.edge.files import write
from tritext_serve.endpoint.edge.process import Envoy
from tritext_serve.endpoint.model import Deployment, Endpoint, Upstream
from tritext_serve.ports import free_ports

SAMPLES = 20_000
WARM_UP = 500
RIGHT = (0, 1, 8, 16, 32, 42)
KEY_CHARACTERS, CONTROL_CHARACTERS = 43, 8_000
CONTROL = "control"
RESAMPLES = 500
QUICK = 0.1
Nanoseconds = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Difference:
    """How one kind's times differ from another's.

    Attributes:
        later: Probability that a sample of the one takes longer than one of the other; 0.5 where nothing is told.
        deviations: By how many standard errors that is off 0.5 (Mann-Whitney).
        quick_ns: Difference of the times that a tenth of the samples stays below, nanoseconds: those that nothing else
            has disturbed, which is what somebody who wants to learn the key would look at.
        interval_ns: Its 95 % bootstrap interval.
    """

    later: float
    deviations: float
    quick_ns: float
    interval_ns: tuple[float, float]


def difference(kind: Nanoseconds, base: Nanoseconds, seed: int = 0) -> Difference:
    """Compare two kinds.

    Args:
        kind: Times, INT64 [n].
        base: Times of the other, INT64 [m].
        seed: Of the resampling.
    """
    n, m, ordered = len(kind), len(base), np.sort(base)
    below = (np.searchsorted(ordered, kind, "left") + np.searchsorted(ordered, kind, "right")) / 2
    later = float(below.sum()) / (n * m)
    error = ((n + m + 1) / (12 * n * m)) ** 0.5
    draw = np.random.default_rng(seed)
    resampled = [_quick(draw.choice(kind, n)) - _quick(draw.choice(base, m)) for _ in range(RESAMPLES)]
    low, high = np.quantile(resampled, (0.025, 0.975))
    return Difference(later, (later - 0.5) / error, _quick(kind) - _quick(base), (float(low), float(high)))


def _quick(times: Nanoseconds) -> float:
    return float(np.quantile(times, QUICK))


@contextmanager
def running(key: str) -> Iterator[int]:
    """Run an edge that knows a key; its deployment is never asked. Gives its port."""
    port, admin, nobody = free_ports(3)
    deployment = Deployment("blue", "timing", Path("m"), "m")
    endpoint = Endpoint("timing", traffic={"blue": 100}, deployments={"blue": deployment})
    upstream = Upstream("blue", "127.0.0.1", nobody, nobody, nobody)
    with tempfile.TemporaryDirectory() as folder:
        edge = Edge(
            endpoint, (upstream,), {"me": key, "other": secrets.token_urlsafe(32)},
            (Listener("127.0.0.1", port),), admin, log_path="/dev/null",
        )  # fmt: skip
        write(Path(folder), render(edge))
        with Envoy(Path(folder)):
            yield port


def wrong(key: str, right: int) -> str:
    """Make a key that begins with some characters of the right one and goes on with others."""
    other = secrets.token_urlsafe(48)[: len(key) - right]
    if other[0] == key[right]:
        other = ("A" if key[right] != "A" else "B") + other[1:]
    return key[:right] + other


def request(key: str) -> bytes:
    """Write a request with a key."""
    head = f"POST /predict HTTP/1.1\r\nHost: edge\r\nAuthorization: Bearer {key}\r\nContent-Length: 0\r\n\r\n"
    return head.encode()


def ask(connection: socket.socket, data: bytes) -> int:
    """Ask, and give the nanoseconds until the whole refusal was there.

    Raises:
        SystemExit: it is no refusal.
    """
    begun = time.perf_counter_ns()
    connection.sendall(data)
    answer = connection.recv(1 << 16)
    while not answer.endswith(b"}\n"):
        answer += connection.recv(1 << 16)
    taken = time.perf_counter_ns() - begun
    if not answer.startswith(b"HTTP/1.1 401 "):
        raise SystemExit(answer.split(b"\r\n")[0].decode(errors="replace"))
    return taken


def measure(port: int, key: str, samples: int) -> Mapping[int | str, Nanoseconds]:
    """Ask with every kind of wrong key in turns."""
    kinds: list[int | str] = [*RIGHT, CONTROL]
    times: dict[int | str, list[int]] = {kind: [] for kind in kinds}
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for number in range(samples + WARM_UP):
            random.shuffle(kinds)
            # All made before the first is asked, so that no kind finds this process's caches otherwise than the others.
            given = ["x" * CONTROL_CHARACTERS if isinstance(kind, str) else wrong(key, kind) for kind in kinds]
            for kind, data in zip(kinds, [request(each) for each in given], strict=True):
                taken = ask(connection, data)
                if number >= WARM_UP:
                    times[kind].append(taken)
    return {kind: np.array(taken, np.int64) for kind, taken in times.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=SAMPLES, metavar="N", help=f"of each kind (default: {SAMPLES})")
    args = parser.parse_args()
    key = secrets.token_urlsafe(32)
    with running(key) as port:
        times = measure(port, key, args.samples)
    base = times[0]
    quick, median = _quick(base) / 1000, float(np.median(base)) / 1000
    print(
        f"{args.samples} refusals of each kind; none right: a tenth within {quick:.1f} µs, half within {median:.1f} µs"
    )
    print("right characters   later than with none   standard errors   quick tenth by   95 %")
    for kind, taken in times.items():
        if kind != 0:
            told = difference(taken, base)
            low, high = told.interval_ns
            print(
                f"{kind!s:>16}   {told.later:20.4f}   {told.deviations:+15.2f}   {told.quick_ns:+11.0f} ns   "
                f"{low:+6.0f} to {high:+.0f} ns"
            )


if __name__ == "__main__":
    main()
