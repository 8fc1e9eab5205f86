"""``tritext endpoint show``: how every deployment and instance stands."""

import argparse
import json
import sys
import time
from typing import Any

from rich.console import Console
from rich.table import Table

from tritext_serve.endpoint import control
from tritext_serve.endpoint.verbs.shared import add_endpoint, chosen
from tritext_serve.endpoint.verdict.report import verdict_markdown

HELP = "show deployments, traffic, restarts and why"
EPILOG = """\
example:
  tritext endpoint show
  tritext endpoint show --json
"""
# It changes nothing, so it waits for nobody: a supervisor that takes longer is held up.
ANSWER_SECONDS = 30.0
# Where nobody looks at the width, nothing is broken into lines.
PIPE_WIDTH = 200
COLUMNS = ("deployment", "state", "traffic", "mirror", "restarts", "memory", "models", "why it last failed")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = EPILOG
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.add_argument("--verdict", action="store_true", help="how far a candidate's labels agree with the live ones")
    add_endpoint(parser)


def run(args: argparse.Namespace) -> int:
    """Show it.

    Raises:
        EndpointError: the supervisor does not answer.
    """
    asked = {"verb": "verdict" if args.verdict else "show"}
    state = control.ask(chosen(args).control, asked, timeout=ANSWER_SECONDS)
    if args.json or args.verdict:
        sys.stdout.write(json.dumps(state, indent=2) + "\n" if args.json else verdict_markdown(state))
        return 0
    console = Console(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)
    console.print(heading(state, time.time()))
    console.print(table(state))
    return 0


def heading(state: dict[str, Any], now: float) -> str:
    """Say which endpoint it is, where, and since when."""
    minutes, seconds = divmod(int(now - state["began"]), 60)
    return f"{state['name']}  {' '.join(state['urls'])}  up {minutes} min {seconds} s as process {state['pid']}"


def table(state: dict[str, Any]) -> Table:
    """Lay out a row for each instance."""
    laid_out = Table(*COLUMNS, box=None, pad_edge=False, header_style="dim")
    for deployment in state["deployments"]:
        models = ", ".join(f"{name} {'+'.join(versions)}" for name, versions in deployment["models"].items())
        for instance in deployment["instances"]:
            laid_out.add_row(
                f"{deployment['name']}/{instance['number']}",
                instance["state"],
                f"{deployment['traffic']} %",
                f"{deployment['mirror']} %",
                str(instance["restarts"]),
                f"{instance['memory_bytes'] / 1e6:.0f} MB",
                models,
                f"{instance['reason']}: {instance['detail']}" if instance["reason"] else "",
            )
    return laid_out
