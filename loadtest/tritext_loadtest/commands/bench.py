"""``tritext bench``: a running server in, what a text costs it out."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tritext import Client
from tritext_loadtest.bench import Case, Figures, bench, cases
from tritext_loadtest.cost import find_process, find_server, measure
from tritext_loadtest.errors import LoadTestError
from tritext_loadtest.texts import read_texts

HELP = "measure what a text costs a running server, in CPU time and latency"
ERRORS = (LoadTestError,)
TIMEOUT_SECONDS = 60.0
EPILOG = """\
The server must run on this machine, since its processes' CPU time is read. The figures are medians
over the rounds; compare them with others of the same run only.

example:
  tritext bench --texts reviews.tsv
  tritext bench --texts reviews.tsv --grpc grpc://127.0.0.1:8001 --http http://127.0.0.1:8000 --rounds 5
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = EPILOG
    parser.add_argument("--texts", required=True, type=Path, metavar="FILE", help="TSV file with a column `text`")
    parser.add_argument("--model", default="sentiment", metavar="NAME", help="default: sentiment")
    parser.add_argument("--grpc", default="grpc://127.0.0.1:8001", metavar="URL", help="default: grpc://127.0.0.1:8001")
    parser.add_argument("--http", default="http://127.0.0.1:8000", metavar="URL", help="default: http://127.0.0.1:8000")
    parser.add_argument("--count", type=_count, default=512, metavar="N", help="texts a measurement (default: 512)")
    parser.add_argument("--rounds", type=_count, default=3, metavar="N", help="measurements of each shape (default: 3)")
    parser.add_argument(
        "--wait", type=float, default=0.0, metavar="S", help="for a server that is starting, in seconds"
    )
    parser.add_argument("--pid", type=_count, metavar="N", help="the server's process (default: who listens at --grpc)")


def run(args: argparse.Namespace) -> int:
    """Measure and print a table."""
    texts = read_texts(args.texts, args.count)
    if args.wait:
        with Client(args.grpc, args.model) as starting:
            starting.wait_until_ready(args.wait)
    server = find_process(args.pid) if args.pid else find_server(args.grpc)
    console = Console(stderr=True, highlight=False)
    with (
        Client(args.grpc, args.model, timeout=TIMEOUT_SECONDS) as grpc,
        Client(args.http, args.model, timeout=TIMEOUT_SECONDS) as http,
        console.status("warming up …") as status,
    ):
        plan = cases({"gRPC": lambda t: grpc.classify(list(t)), "HTTP": lambda t: http.classify(list(t))})
        grpc.classify(texts)
        figures = bench(plan, server, texts, args.rounds, status.update)
    Console(file=sys.stdout).print(table(plan, figures))
    sys.stdout.write(f"{measure(server).rss_bytes / 1e6:.0f} MB resident\n")
    return 0


def table(plan: Sequence[Case], figures: Sequence[Figures]) -> Table:
    """Lay the figures out."""
    result = Table("load", "texts/s", "CPU-ms a text", "p50 ms", "p99 ms", box=None, pad_edge=False)
    for column in result.columns[1:]:
        column.justify = "right"
    for case, row in zip(plan, figures, strict=True):
        result.add_row(
            f"{case.name}, {case.shape}",
            f"{row.texts_per_second:.0f}",
            f"{row.cpu_milliseconds:.2f}",
            f"{row.p50_milliseconds:.1f}",
            f"{row.p99_milliseconds:.1f}",
        )
    return result


def _count(word: str) -> int:
    """Read a whole number of 1 or more."""
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"{word!r} is not a whole number of 1 or more")
    return int(word)
