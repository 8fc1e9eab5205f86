"""A Ray cluster of two nodes on loopback, which takes nobody without its token; and jobs on it.

The server stands in with a recorded latency, so it is never the limit: what is measured is what a second worker adds.
"""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.batch.stand_in import stand_in
from tests.conftest import ROOT
from tritext_serve.ports import steady_ports

COMMAND = (sys.executable, "-m", "tritext", "score")
RAY = Path(sys.executable).with_name("ray")
# Seconds of a request: as 32 sentences take on a core of a busy machine.
LATENCY = 0.2


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running one.

    Attributes:
        address: For ``--address``.
        environment: Of who may use it.
    """

    address: str
    environment: dict[str, str]


@contextmanager
def ray_cluster(folder: Path) -> Iterator[Cluster]:
    """Run two nodes with a CPU each; their logs go to a folder."""
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_USAGE_STATS_ENABLED": "0"}
    environment = os.environ | token | {"PYTHONPATH": str(ROOT)}
    port, other = steady_ports(2)
    address = f"127.0.0.1:{port}"
    common = ["--node-ip-address=127.0.0.1", "--num-cpus=1", "--object-store-memory=100000000", "--block"]
    # Any free ports instead of ranges of Ray's own, in which somebody else's may lie.
    common += ["--min-worker-port=0", "--max-worker-port=0", "--dashboard-agent-listen-port=0"]
    nodes: list[subprocess.Popen[bytes]] = []
    try:
        for words in (
            ["--head", f"--port={port}", "--include-dashboard=false", f"--ray-client-server-port={other}"],
            [f"--address={address}"],
        ):
            path = folder / f"{len(nodes)}.log"
            with path.open("wb") as log:
                command = [str(RAY), "start", *words, *common]
                nodes.append(subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True))
            wait(path, nodes[-1])
        yield Cluster(address, environment)
    finally:
        # Asked politely, Ray takes half a minute to end; nothing of a test's cluster is worth that.
        theirs = [p for node in nodes if node.poll() is None for p in psutil.Process(node.pid).children(recursive=True)]
        for node in nodes:
            node.kill()
            node.wait()
        for process in theirs:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(theirs, timeout=30)


def wait(log: Path, node: "subprocess.Popen[bytes]") -> None:
    """Wait until a node says that it is up."""
    for _ in range(1200):
        if b"Ray runtime started" in log.read_bytes():
            return
        try:
            node.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
        break
    raise RuntimeError(log.read_text())


@dataclass(frozen=True, slots=True)
class Seen:
    """What the server saw of a job.

    Attributes:
        clients: How many asked it.
        texts_per_second: From the first answer to the last, so that Ray's own start does not count.
    """

    clients: int
    texts_per_second: float


def score(folder: Path, cluster: Cluster, workers: int, latency: float = LATENCY) -> Seen:
    """Score ``in.jsonl`` with so many workers, against a server of their own; the nodes were started elsewhere."""
    record = folder / f"{workers}.record"
    with stand_in(latency, record=record) as url:
        job = {
            "name": "both", "input_uri": "in.jsonl", "output_uri": f"{workers}.jsonl",
            "model": {"source_type": "endpoint", "source_uri": url},
            "environment": {"engine": "ray", "address": cluster.address, "workers": workers, "max_in_flight": 4},
        }  # fmt: skip
        (folder / "job.yml").write_text(json.dumps(job))
        command = [*COMMAND, "--job", str(folder / "job.yml")]
        done = subprocess.run(
            command, env=cluster.environment, cwd=folder, capture_output=True, text=True, timeout=200, check=False
        )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return seen(record)


def seen(record: Path) -> Seen:
    rows = [line.split() for line in record.read_text().splitlines()]
    seconds = float(rows[-1][0]) - float(rows[0][0])
    return Seen(len({row[1] for row in rows}), sum(int(row[2]) for row in rows) / seconds)


def write_rows(path: Path, count: int) -> None:
    path.write_text("".join(json.dumps({"text": f"row {n} " + "x" * (n % 90)}) + "\n" for n in range(count)) + "{\n")
