"""``tritext endpoint traffic``: another split, at once and for every request that comes after."""

import argparse
import sys

from tritext_serve.endpoint import control
from tritext_serve.endpoint.verbs.shared import add_endpoint, chosen, share, spell
from tritext_serve.errors import EndpointError

HELP = "split the traffic: blue=90 green=10; whom it does not name gets none"
EPILOG = """\
example:
  tritext endpoint traffic blue=90 green=10
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = EPILOG
    parser.add_argument("shares", nargs="+", type=share, metavar="DEPLOYMENT=PERCENT", help="they sum to 100, or to 0")
    parser.add_argument("--force", action="store_true", help="also to a deployment that has no well instance")
    add_endpoint(parser)


def run(args: argparse.Namespace) -> int:
    """Shift it.

    Raises:
        EndpointError: it may not be split so.
    """
    names = [name for name, _ in args.shares]
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise EndpointError(f"{', '.join(twice)}: named twice: give each deployment one share")
    request = {"verb": "traffic", "traffic": dict(args.shares), "force": args.force}
    answer = control.ask(chosen(args).control, request)
    sys.stdout.write(f"traffic  {spell(answer['traffic'])}\n")
    return 0
