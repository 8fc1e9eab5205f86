"""What the edge costs: the same texts to Triton with and without Envoy before it, in turns; server CPU and latency out.

::

    python demo/edge_cost.py MODEL_REPOSITORY TEXTS      # some two minutes; TEXTS has a text in a line's first column

CPU is user and system time of the servers' processes, Envoy's and Triton's together, health checks included. One client
asks one request after the other, over one connection. Rounds alternate, so that what else the machine does meets both.
"""

import argparse
import http.client
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
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
# Texts a request, and requests a round: some seconds of a core's work each.
SIZES = {1: 150, 32: 12}


@dataclass
class Way:
    """One way to the model.

    Attributes:
        name: What the report calls it.
        port: Where it is asked.
        path: What is asked.
        cpu_ms: CPU milliseconds a text, a round each, by texts a request.
        edge_ms: Of these the edge's, a request.
        seconds: Latency of every request, by texts a request.
    """

    name: str
    port: int
    path: str
    cpu_ms: dict[int, list[float]] = field(default_factory=lambda: {size: [] for size in SIZES})
    edge_ms: dict[int, list[float]] = field(default_factory=lambda: {size: [] for size in SIZES})
    seconds: dict[int, list[float]] = field(default_factory=lambda: {size: [] for size in SIZES})


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
    args = parser.parse_args()
    texts = [line.split("\t")[0] for line in args.texts.read_text(encoding="utf-8").splitlines()[:2000]]
    with running(args.repository, args.model) as (server, envoy, ways):
        for number in range(args.rounds + 1):  # the first round warms up and is forgotten
            for size, count in SIZES.items():
                for way in ways if number % 2 else reversed(ways):
                    run(
                        way, server, envoy, [texts[(number * 31 + n) % 2000 :][:size] for n in range(count)], number > 0
                    )
    for size in SIZES:
        report(size, *ways)


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


def run(way: Way, server: Server, envoy: Envoy, batches: list[list[str]], keep: bool) -> None:
    """Ask one way for some batches of texts."""
    connection = http.client.HTTPConnection("127.0.0.1", way.port, timeout=60)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"}
    triton, edge, seconds = cpu(server.pid), cpu(envoy.pid), []
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
    size = len(batches[0])
    if keep:
        own = cpu(envoy.pid) - edge if way.path == "/predict" else 0.0
        way.cpu_ms[size].append(1000 * (cpu(server.pid) - triton + own) / len(batches) / size)
        way.edge_ms[size].append(1000 * own / len(batches))
        way.seconds[size] += seconds


def cpu(pid: int) -> float:
    """CPU seconds of a process and its children so far."""
    return processes.footprint(pid).cpu_seconds


def report(size: int, direct: Way, edge: Way) -> None:
    """Print what requests of one size cost."""
    print(f"{size} texts a request, {len(direct.seconds[size])} requests each way:")
    for way in (direct, edge):
        ranked = sorted(1000 * second for second in way.seconds[size])
        p50, p99 = statistics.median(ranked), ranked[int(0.99 * (len(ranked) - 1))]
        each = statistics.median(way.cpu_ms[size])
        print(f"  {way.name:17} {each:7.3f} CPU-ms a text, p50 {p50:.2f} ms, p99 {p99:.2f} ms")
    own, all_of_it = statistics.median(edge.edge_ms[size]), statistics.median(edge.cpu_ms[size]) * size
    least = min(edge.edge_ms[size])
    print(f"  Envoy's own       {own:7.3f} CPU-ms a request ({least:.3f} in the best round),", end=" ")
    print(f"{100 * own / (all_of_it - own):.1f} % of Triton's")


if __name__ == "__main__":
    main()
