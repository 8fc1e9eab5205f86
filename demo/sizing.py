"""How much of everything a rate needs: what a text costs in, cores, pods, memory and network out.

::

    python demo/sizing.py docs/bench.json      # the table of docs/scaling.md

Triton's cost is the bench's, on two cores of one kind; the edge's is that of demo/edge_cost.py; the bytes are Envoy's
own count of what clients sent and got. Everything is proportional, since pods share nothing: no other claim is in it.
"""

import argparse
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RATES = (100, 1_000, 10_000, 100_000, 1_000_000)
POD_CORES, EDGE_CORES = 2, 2
# How full cores may be at the busiest hour: the autoscalers' targets in deploy/k8s.
TRITON_FULL, EDGE_FULL = 0.7, 0.6
LEAST = 2
POD_MEMORY_MIB, EDGE_MEMORY_MIB = 1024, 128


@dataclass(frozen=True, slots=True)
class Cost:
    """What a request costs.

    Attributes:
        texts: Texts in it.
        triton_ms: CPU milliseconds a text.
        edge_ms: CPU milliseconds a request.
        received: Bytes a request that clients send.
        sent: Bytes a request that they get.
    """

    texts: int
    triton_ms: float
    edge_ms: float
    received: int
    sent: int


# Envoy's CPU a request of one text from 16 clients, and of 32 texts (docs/endpoint-edge.md); bytes over gRPC.
EDGES = {1: (0.29, 330, 195), 32: (1.25, 4018, 636)}


@dataclass(frozen=True, slots=True)
class Size:
    """What a rate needs.

    Attributes:
        rate: Texts a second.
        cores: Of Triton's, at work.
        pods: Tritons.
        edge_cores: Of Envoy's, at work.
        edges: Envoys.
        memory_gib: Requested by all of them.
        received_mbit: Megabits a second from clients.
        sent_mbit: Megabits a second to clients.
    """

    rate: int
    cores: float
    pods: int
    edge_cores: float
    edges: int
    memory_gib: float
    received_mbit: float
    sent_mbit: float


def size(rate: int, cost: Cost) -> Size:
    """Say what a rate of texts a second needs, at the busiest hour and with one pod to spare at least."""
    requests = rate / cost.texts
    cores, edge_cores = rate * cost.triton_ms / 1000, requests * cost.edge_ms / 1000
    pods = max(LEAST, math.ceil(cores / TRITON_FULL / POD_CORES))
    edges = max(LEAST, math.ceil(edge_cores / EDGE_FULL / EDGE_CORES))
    memory = (pods * POD_MEMORY_MIB + edges * EDGE_MEMORY_MIB) / 1024
    return Size(
        rate, cores, pods, edge_cores, edges, memory, requests * cost.received * 8 / 1e6, requests * cost.sent * 8 / 1e6
    )


def network(megabits: float) -> str:
    """Write so many megabits a second."""
    return f"{megabits / 1000:,.1f} Gbit/s" if megabits >= 1000 else f"{megabits:,.1f} Mbit/s"


def read(bench: Mapping[str, Any]) -> list[Cost]:
    """Take the costs of our gRPC rows."""
    rows = [row for row in bench["rows"] if row["name"] == "tritext, gRPC"]
    return [Cost(row["texts_a_request"], row["cpu_milliseconds"], *EDGES[row["texts_a_request"]]) for row in rows]


def main() -> None:
    """Print a table for each kind of request."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench", type=Path, nargs="?", default=Path("docs/bench.json"))
    costs = read(json.loads(parser.parse_args().bench.read_text(encoding="utf-8")))
    for cost in costs:
        texts = "1 text" if cost.texts == 1 else f"{cost.texts} texts"
        print(f"\n{texts} a request: {cost.triton_ms:.2f} CPU-ms a text, Envoy {cost.edge_ms:g} a request\n")
        print("| texts/s | Triton cores at work | pods of 2 | Envoy cores | Envoys of 2 | memory | in | out |")
        print("|---|---|---|---|---|---|---|---|")
        for each in (size(rate, cost) for rate in RATES):
            print(
                f"| {each.rate:,} | {each.cores:,.1f} | {each.pods:,} | {each.edge_cores:,.2f} | {each.edges:,} "
                f"| {each.memory_gib:,.1f} GiB | {network(each.received_mbit)} | {network(each.sent_mbit)} |"
            )


if __name__ == "__main__":
    main()
