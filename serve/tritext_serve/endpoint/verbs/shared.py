"""What several verbs have in common: which endpoint they mean, and shares on a command line."""

import argparse
import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from tritext_serve.endpoint.rundir import RunDirectory, find


def add_endpoint(parser: argparse.ArgumentParser) -> None:
    """Let the user say which endpoint is meant."""
    parser.add_argument("--endpoint", metavar="NAME", help="which endpoint (default: the only one that runs)")


def chosen(args: argparse.Namespace) -> RunDirectory:
    """Find the endpoint that is meant.

    Raises:
        RunDirectoryError: it does not run.
    """
    return find(args.endpoint)


def share(text: str) -> tuple[str, int]:
    """Read ``DEPLOYMENT=PERCENT``."""
    name, sign, number = text.partition("=")
    if not (name and sign and number.removesuffix("%").isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r}: write DEPLOYMENT=PERCENT, such as green=10")
    return name, int(number.removesuffix("%"))


def spell(shares: Mapping[str, int]) -> str:
    """Write shares as they are given on a command line."""
    return " ".join(f"{name}={number}" for name, number in shares.items())


def own_command() -> str:
    """Say how this command is called from a shell, here and now: its name where the PATH has it, else its path."""
    program = Path(sys.argv[0])
    if program.name == "tritext":
        found = shutil.which("tritext")
        same = found is not None and Path(found).resolve() == program.resolve()
        return "tritext" if same else shlex.quote(str(program.absolute()))
    return f"{shlex.quote(sys.executable)} -m tritext"


def say(words: str) -> None:
    """Tell the user how far it is."""
    sys.stderr.write(f"{words}{os.linesep}")
    sys.stderr.flush()
