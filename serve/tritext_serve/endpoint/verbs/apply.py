"""``tritext endpoint apply``: the running endpoint becomes what other files say, without losing a request."""

import argparse
import sys
from pathlib import Path

from tritext_serve.endpoint import control
from tritext_serve.endpoint.verbs.shared import add_endpoint, chosen, say

HELP = "become what these files say; files with a mistake change nothing"
EPILOG = """\
example:
  tritext endpoint apply endpoint.yml blue.yml green.yml
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = EPILOG
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="endpoint, deployments, network")
    add_endpoint(parser)


def run(args: argparse.Namespace) -> int:
    """Apply the files.

    Raises:
        EndpointError: they hold mistakes, or a deployment does not start.
    """
    files = [str(path.absolute()) for path in args.files]
    answer = control.ask(chosen(args).control, {"verb": "apply", "files": files}, say)
    for what in ("started", "kept", "stopped"):
        if answer[what]:
            sys.stdout.write(f"{what:<8} {', '.join(answer[what])}\n")
    return 0
