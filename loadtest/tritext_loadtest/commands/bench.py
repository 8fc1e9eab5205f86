"""``tritext bench``: what a text costs a server that runs already, or tritext side by side with its peers."""

import argparse
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from tritext import Client
from tritext_loadtest.bench import Case, Figures, bench, cases
from tritext_loadtest.commands import peers
from tritext_loadtest.commands.arguments import add_texts, count
from tritext_loadtest.commands.progress import Steps
from tritext_loadtest.cost import find_process, find_server, measure
from tritext_loadtest.course import Course, Stage
from tritext_loadtest.errors import LoadTestError
from tritext_loadtest.texts import read_texts

HELP = "measure what a text costs: a running server, or tritext side by side with other servers"
ERRORS = (LoadTestError,)
TIMEOUT_SECONDS = 60.0
GUESSED_TEXTS_PER_SECOND = 200.0
DEFAULT_TEXTS, DEFAULT_ROUNDS = 512, 3
EPILOG = """\
Without --repository a server that runs on this machine is measured, since its processes' CPU time is
read. The figures are medians over the rounds; compare them with others of the same run only.

example:
  tritext bench --texts reviews.tsv
  tritext bench --texts reviews.csv --text-column review --grpc grpc://127.0.0.1:9001 --http http://127.0.0.1:9000

With --repository everything is started here: tritext, every peer in an environment of its own, the bare
engine; and asked in turn (docs/bench.md). Exit code 1 says that somebody could not be measured.

example:
  tritext bench --repository model_repository --checkpoint ./my-classifier --texts reviews.tsv --quick
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = EPILOG
    add_texts(parser, required=False)
    parser.add_argument("--model", default="sentiment", metavar="NAME", help="default: sentiment")
    parser.add_argument("--grpc", default="grpc://127.0.0.1:8001", metavar="URL", help="default: grpc://127.0.0.1:8001")
    parser.add_argument("--http", default="http://127.0.0.1:8000", metavar="URL", help="default: http://127.0.0.1:8000")
    parser.add_argument("--count", type=count, metavar="N", help="texts a measurement (default: 512)")
    parser.add_argument(
        "--rounds", type=count, metavar="N", help="measurements of each shape (default: 3, of peers 9 or 6)"
    )
    parser.add_argument(
        "--wait", type=float, default=0.0, metavar="S", help="for a server that is starting, in seconds"
    )
    peers.configure(parser)
    parser.add_argument("--pid", type=count, metavar="N", help="the server's process (default: who listens at --grpc)")


def run(args: argparse.Namespace) -> int:
    """Measure and print a table."""
    if args.repository or args.earlier:
        return peers.run(args)
    if args.texts is None:
        raise LoadTestError("--texts is needed: a TSV, CSV or JSONL file of texts")
    texts = read_texts(args.texts, args.count or DEFAULT_TEXTS, args.text_column)
    if args.wait:
        with Client(args.grpc, args.model) as starting:
            starting.wait_until_ready(args.wait)
    server = find_process(args.pid) if args.pid else find_server(args.grpc)
    rounds = args.rounds or DEFAULT_ROUNDS
    with (
        Client(args.grpc, args.model, timeout=TIMEOUT_SECONDS) as grpc,
        Client(args.http, args.model, timeout=TIMEOUT_SECONDS) as http,
        Steps(Console(stderr=True, highlight=False), lines=False) as steps,
    ):
        plan = cases({"gRPC": lambda t: grpc.classify(list(t)), "HTTP": lambda t: http.classify(list(t))})
        guess = len(texts) / GUESSED_TEXTS_PER_SECOND
        course = Course([Stage("warming up", 1, guess), Stage("measuring", rounds * len(plan), guess)], steps.show)
        course.step("warming up")
        grpc.classify(texts)
        figures = bench(plan, server, texts, rounds, course.step)
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
