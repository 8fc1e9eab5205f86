"""What the edge costs: the same texts to Triton with and without Envoy before it, in turns; server CPU and latency out.

::

    python demo/edge_cost.py MODEL_REPOSITORY TEXTS              # five minutes; a text in a line's first column
    python demo/edge_cost.py MODEL_REPOSITORY TEXTS --clients 4  # four at once, in place of one and then sixteen

CPU is user and system time of the servers' processes, Envoy's and Triton's together, health checks included. A client
asks one request after the other, over one connection. Rounds alternate, so that what else the machine does meets both.
"""

import argparse
import http.client
import json
import statistics
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tritext_serve import processes
from tritext_serve.endpoint.edge import Edge, Listener, render
from tritext_serve.endpoint.edge.files import write
from tritext_serve.endpoint.edge.process import Envoy
from tritext_serve.endpoint.model import Deployment, Endpoint, Upstream
from tritext_serve.flags import Address
from tritext_serve.ports import free_ports
from tritext_serve.server import Server, ServerOptions

KEY = "a-key-of-this-measurement-alone-0123456789"
ROUNDS = 8
CLIENTS = (1, 16)
# Texts a request, and requests a round: some seconds of a core's work each.
SIZES = {1: 150, 32: 12}
# What a client of many asks at least in a round, so that they meet.
LEAST = {1: 20, 32: 2}


@dataclass(frozen=True, slots=True)
class Load:
    """How much is asked in a round.

    Attributes:
        texts: Of a request.
        clients: At once.
    """

    texts: int
    clients: int

    @property
    def requests(self) -> int:
        """Of one client, one after the other."""
        return max(LEAST[self.texts], SIZES[self.texts] // self.clients)


@dataclass
class Way:
    """One way to the model.

    Attributes:
        name: What the report calls it.
        port: Where it is asked.
        path: What is asked.
        cpu_ms: CPU milliseconds a text, a round each, by load.
        edge_ms: Of these the edge's, a request.
        seconds: Latency of every request, by load.
    """

    name: str
    port: int
    path: str
    cpu_ms: dict[Load, list[float]] = field(default_factory=lambda: defaultdict(list))
    edge_ms: dict[Load, list[float]] = field(default_factory=lambda: defaultdict(list))
    seconds: dict[Load, list[float]] = field(default_factory=lambda: defaultdict(list))


class Well(BaseHTTPRequestHandler):
    """Says that every deployment is well."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repository", type=Path)
    parser.add_argument("texts", type=Path)
    parser.add_argument("--model", default="sentiment")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument(
        "--clients",
        type=int,
        action="append",
        metavar="N",
        help="how many at once; may be given again (default: 1, 16)",
    )
    args = parser.parse_args()
    texts = [line.split("\t")[0] for line in args.texts.read_text(encoding="utf-8").splitlines()]
    loads = [Load(size, clients) for clients in args.clients or CLIENTS for size in SIZES]
    with running(args.repository, args.model) as (server, envoy, ways):
        for number in range(args.rounds + 1):  # the first round warms up and is forgotten
            for load in loads:
                for way in ways if number % 2 else ways[::-1]:
                    run(way, server, envoy, load, drawn(texts, load, number), keep=number > 0)
    for load in loads:
        report(load, *ways)


def drawn(texts: Sequence[str], load: Load, number: int) -> list[list[list[str]]]:
    """Choose what each client asks in a round: for every client, a batch of texts for every request."""
    own = load.requests * load.clients
    # No text twice in a round: the front computes texts that are the same once.
    starts = [(number * own + n) * load.texts % (len(texts) - load.texts) for n in range(own)]
    batches = [list(texts[start : start + load.texts]) for start in starts]
    return [batches[client :: load.clients] for client in range(load.clients)]


@contextmanager
def running(repository: Path, model: str) -> Iterator[tuple[Server, Envoy, list[Way]]]:
    """Run a Triton, and an Envoy before it."""
    options = ServerOptions(address=Address("127.0.0.1", *free_ports(3)), allow_uncertified=True)
    with ExitStack() as stack:
        health = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), Well))
        threading.Thread(target=health.serve_forever, daemon=True).start()
        stack.callback(health.shutdown)
        server = stack.enter_context(Server(repository, options))
        port, admin = free_ports(2)
        upstream = Upstream("blue", "127.0.0.1", options.address.http, options.address.grpc, health.server_port)
        endpoint = Endpoint(
            "cost", traffic={"blue": 100}, deployments={"blue": Deployment("blue", "cost", repository, model)}
        )
        edge = Edge(endpoint, (upstream,), {"me": KEY}, (Listener("127.0.0.1", port),), admin, log_path="access.log")
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        write(directory, render(edge))
        envoy = stack.enter_context(Envoy(directory))
        direct = Way("without the edge", options.address.http, f"/v2/models/{model}/generate")
        yield server, envoy, [direct, Way("with the edge", port, "/predict")]


def run(way: Way, server: Server, envoy: Envoy, load: Load, asked: list[list[list[str]]], *, keep: bool) -> None:
    """Ask one way for some batches of texts, all clients at once."""
    triton, edge = cpu(server.pid), cpu(envoy.pid)
    with ThreadPoolExecutor(load.clients) as pool:
        seconds = [each for own in pool.map(lambda batches: ask(way, batches), asked) for each in own]
    if keep:
        own = cpu(envoy.pid) - edge if way.path == "/predict" else 0.0
        way.cpu_ms[load].append(1000 * (cpu(server.pid) - triton + own) / len(seconds) / load.texts)
        way.edge_ms[load].append(1000 * own / len(seconds))
        way.seconds[load] += seconds


def ask(way: Way, batches: list[list[str]]) -> list[float]:
    """Ask as one client; seconds of every request."""
    connection = http.client.HTTPConnection("127.0.0.1", way.port, timeout=60)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"}
    seconds = []
    for batch in batches:
        body = json.dumps({"text": batch if len(batch) > 1 else batch[0]})
        started = time.perf_counter()
        connection.request("POST", way.path, body, headers)
        answer = connection.getresponse()
        answer.read()
        seconds.append(time.perf_counter() - started)
        if answer.status != 200:
            raise SystemExit(f"{way.name}: {answer.status}")
    connection.close()
    return seconds


def cpu(pid: int) -> float:
    """CPU seconds of a process and its children so far."""
    return processes.footprint(pid).cpu_seconds


def report(load: Load, direct: Way, edge: Way) -> None:
    """Print what one load costs."""
    print(f"{load.clients} clients, {load.texts} texts a request, {len(direct.seconds[load])} requests each way:")
    for way in (direct, edge):
        ranked = sorted(1000 * second for second in way.seconds[load])
        p50, p99 = statistics.median(ranked), ranked[int(0.99 * (len(ranked) - 1))]
        each = statistics.median(way.cpu_ms[load])
        print(f"  {way.name:17} {each:7.3f} CPU-ms a text, p50 {p50:.2f} ms, p99 {p99:.2f} ms")
    own, all_of_it = statistics.median(edge.edge_ms[load]), statistics.median(edge.cpu_ms[load]) * load.texts
    least = min(edge.edge_ms[load])
    print(f"  Envoy's own       {own:7.3f} CPU-ms a request ({least:.3f} in the best round),", end=" ")
    print(f"{100 * own / (all_of_it - own):.1f} % of Triton's")


if __name__ == "__main__":
    main()
