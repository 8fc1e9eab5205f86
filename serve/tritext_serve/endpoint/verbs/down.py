"""``tritext endpoint down``: the edge finishes what it has, then everything stops and nothing is left."""

import argparse
import sys
import time

from tritext_serve.endpoint import control, rundir
from tritext_serve.endpoint.verbs.shared import add_endpoint, chosen
from tritext_serve.errors import EndpointError

HELP = "stop an endpoint, once its last requests are answered"
EPILOG = """\
example:
  tritext endpoint down --endpoint films
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = EPILOG
    parser.add_argument("--timeout", type=float, default=60.0, metavar="S", help="seconds to wait (default: 60)")
    add_endpoint(parser)


def run(args: argparse.Namespace) -> int:
    """Stop it, and wait until it is gone.

    Raises:
        EndpointError: it has not stopped in time.
    """
    run = chosen(args)
    who = rundir.runs_as(run)
    control.ask(run.control, {"verb": "down"})
    deadline = time.monotonic() + args.timeout
    while rundir.is_running(run):
        if time.monotonic() > deadline:
            raise EndpointError(f"{run.name!r} still stops after {args.timeout:g} s: see process {who}")
        time.sleep(0.05)
    sys.stdout.write(f"stopped  {run.name}\n")
    return 0
