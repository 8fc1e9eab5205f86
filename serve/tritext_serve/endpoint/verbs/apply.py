"""``tritext endpoint apply``: the running endpoint becomes what other files say, without losing a request."""

import argparse
import sys
from pathlib import Path

from tritext_serve.endpoint import control
from tritext_serve.endpoint.verbs.shared import add_endpoint, chosen, say, spell

HELP = "become what these files say; files with a mistake change nothing"
EPILOG = """\
The files decide the traffic, too, and set back a split that was made by hand. With --keep-traffic it stays: a
new deployment gets none, and files that lack a deployment with traffic or a mirror are refused.

example:
  tritext endpoint apply endpoint.yml blue.yml green.yml
  tritext endpoint apply --keep-traffic endpoint.yml blue.yml green.yml
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = EPILOG
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="endpoint, deployments, network")
    parser.add_argument("--keep-traffic", action="store_true", help="leave traffic and mirror as they are now")
    add_endpoint(parser)


def run(args: argparse.Namespace) -> int:
    """Apply the files.

    Raises:
        EndpointError: they hold mistakes, or lack who is to keep a share, or a deployment does not start.
    """
    files = [str(path.absolute()) for path in args.files]
    request = {"verb": "apply", "files": files, "keep_traffic": args.keep_traffic}
    answer = control.ask(chosen(args).control, request, say)
    for what in ("started", "kept", "stopped"):
        if answer[what]:
            sys.stdout.write(f"{what:<8} {', '.join(answer[what])}\n")
    if args.keep_traffic:
        sys.stdout.write(f"traffic  {spell(answer['traffic']) or 'none'}, as before\n")
    return 0
