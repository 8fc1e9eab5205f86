"""``tritext endpoint``: the verbs of an endpoint, each a module of its own."""

import argparse
import importlib

from tritext_serve.errors import ServeError

HELP = "one name in front of deployments: keys, a traffic split, mirroring, isolation"
ERRORS = (ServeError,)
EPILOG = """\
`up` stays in the foreground; the other verbs speak to it through a socket that this user alone can open.

example:
  tritext endpoint up endpoint.yml blue.yml green.yml
  tritext endpoint invoke --text "A lovely film."
  tritext endpoint traffic blue=90 green=10
"""
VERBS = ("up", "apply", "show", "traffic", "mirror", "invoke", "logs", "keys", "promote", "render", "watch", "down")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the verbs and their arguments."""
    parser.epilog = EPILOG
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name in VERBS:
        verb = importlib.import_module(f"tritext_serve.endpoint.verbs.{name}")
        action = actions.add_parser(
            name, help=verb.HELP, description=verb.HELP, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        verb.configure(action)
        action.set_defaults(verb=verb)


def run(args: argparse.Namespace) -> int:
    """Do what the verb says."""
    status: int = args.verb.run(args)
    return status
