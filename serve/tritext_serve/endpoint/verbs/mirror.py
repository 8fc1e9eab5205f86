"""``tritext endpoint mirror``: a copy of some live requests for a deployment whose answers nobody gets."""

import argparse
import sys

from tritext_serve.endpoint import control
from tritext_serve.endpoint.verbs.shared import add_endpoint, chosen, share, spell

HELP = "copy live requests to a deployment: green=10, or off"
EPILOG = """\
example:
  tritext endpoint mirror green=10
  tritext endpoint mirror off
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = EPILOG
    parser.add_argument("share", type=_share, metavar="DEPLOYMENT=PERCENT|off", help="50 per cent at most")
    add_endpoint(parser)


def run(args: argparse.Namespace) -> int:
    """Mirror.

    Raises:
        EndpointError: it may not be mirrored so.
    """
    answer = control.ask(chosen(args).control, {"verb": "mirror", "mirror": args.share})
    sys.stdout.write(f"mirror  {spell(answer['mirror']) or 'off'}\n")
    return 0


def _share(text: str) -> dict[str, int]:
    return {} if text == "off" else dict([share(text)])
