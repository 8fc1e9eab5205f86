"""``tritext endpoint traffic``: another split, at once and for every request that comes after."""

import argparse
import sys

from tritext_serve.endpoint import control
from tritext_serve.endpoint.verbs.shared import add_endpoint, chosen, share

HELP = "split the traffic: blue=90 green=10; whom it does not name gets none"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("shares", nargs="+", type=share, metavar="DEPLOYMENT=PERCENT", help="they sum to 100, or to 0")
    parser.add_argument("--force", action="store_true", help="also to a deployment that has no well instance")
    add_endpoint(parser)


def run(args: argparse.Namespace) -> int:
    """Shift it.

    Raises:
        EndpointError: it may not be split so.
    """
    request = {"verb": "traffic", "traffic": dict(args.shares), "force": args.force}
    answer = control.ask(chosen(args).control, request)
    words = " ".join(f"{name}={number}" for name, number in answer["traffic"].items())
    sys.stdout.write(f"traffic  {words}\n")
    return 0
