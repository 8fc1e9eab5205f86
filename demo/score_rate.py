"""How much of the server's own saturation `tritext score` reaches: both on one server, in turns; rates and a ratio out.

::

    python demo/score_rate.py MODEL_REPOSITORY TEXTS      # some minutes; TEXTS has a text in a line's first column

The other side is `tritext_loadtest`'s closed loop, which keeps so many requests of 32 texts in flight that more do not
make it faster. A round is one of each, on the same texts, so that what else the machine does meets both; the ratio is
the median over rounds. The job's own clock counts: its reading, writing and fsyncs are in it, its start is not.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from itertools import cycle, islice
from pathlib import Path

from tritext import Client
from tritext_loadtest.load import Shape, run
from tritext_serve.flags import Address
from tritext_serve.ports import free_ports
from tritext_serve.server import Server, ServerOptions

TEXTS_PER_REQUEST = 32
# Closed loops that are tried; the fastest one is the server's saturation.
CLIENTS = (2, 4, 8, 16)


def saturation(url: str, texts: list[str], clients: int) -> float:
    """Texts a second that a closed loop of so many clients gets."""
    with Client(url, "sentiment", timeout=120.0, retries=20) as client:
        return run(client.classify, texts, Shape(clients, TEXTS_PER_REQUEST)).texts_per_second


def score(url: str, folder: Path) -> float:
    """Rows a second of a job."""
    words = [str(folder / "in.txt"), str(folder / "out.tsv"), "--overwrite", "--url", url]
    command = [sys.executable, "-m", "tritext", "score", *words, "--summary", str(folder / "summary.json")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return float(json.loads((folder / "summary.json").read_text(encoding="utf-8"))["rows_per_second"])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repository", type=Path)
    parser.add_argument("texts", type=Path)
    parser.add_argument("--rows", type=int, default=4096, help="texts of a round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    args = parser.parse_args()
    lines = args.texts.read_text(encoding="utf-8").splitlines()[1:]
    texts = list(islice(cycle(line.split("\t")[0] for line in lines), args.rows))
    options = ServerOptions(address=Address("127.0.0.1", *free_ports(3)))
    with tempfile.TemporaryDirectory() as place, Server(args.repository, options) as server:
        folder = Path(place)
        (folder / "in.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
        clients = max(CLIENTS, key=lambda each: saturation(server.grpc_url, texts, each))
        print(f"saturation with {clients} clients × {TEXTS_PER_REQUEST} texts")
        ratios = []
        for number in range(args.rounds):
            best, job = saturation(server.grpc_url, texts, clients), score(server.grpc_url, folder)
            ratios.append(job / best)
            print(f"round {number + 1}: closed loop {best:6.0f} texts/s, job {job:6.0f}, ratio {job / best:.3f}")
    print(f"median ratio {statistics.median(ratios):.3f}")


if __name__ == "__main__":
    main()
