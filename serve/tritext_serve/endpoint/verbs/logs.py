"""``tritext endpoint logs``: what the supervisor, a deployment's Tritons, the edge or its access log have said."""

import argparse
import os
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from tritext_serve.endpoint import rundir
from tritext_serve.endpoint.verbs.shared import add_endpoint, chosen
from tritext_serve.errors import EndpointError

HELP = "print a log: the supervisor's, a deployment's, edge or access"
EPILOG = """\
example:
  tritext endpoint logs blue --lines 100
  tritext endpoint logs access --follow
"""
POLL_SECONDS = 0.2
OWN = ("supervisor", "edge", "access")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = EPILOG
    parser.add_argument("which", nargs="?", default="supervisor", metavar="DEPLOYMENT|edge|access|supervisor")
    parser.add_argument("-n", "--lines", type=_count, default=50, metavar="N", help="so many of the last (default: 50)")
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what comes, until Ctrl-C")
    add_endpoint(parser)


def run(args: argparse.Namespace) -> int:
    """Print it.

    Raises:
        EndpointError: there is no such log.
    """
    run = chosen(args)
    files = find(run.logs, args.which)
    for path in files:
        for line in last(path, args.lines):
            sys.stdout.write(_named(path, line, files))
    sys.stdout.flush()
    if args.follow:
        for path, line in follow(files, run):
            sys.stdout.write(_named(path, line, files))
            sys.stdout.flush()
    return 0


def find(folder: Path, which: str) -> list[Path]:
    """Find the log files that a name means.

    Raises:
        EndpointError: it means none.
    """
    found = [folder / f"{which}.log"] if which in OWN else sorted(folder.glob("*-*.log"))
    there = [path for path in found if path.is_file() and (which in OWN or path.stem.rpartition("-")[0] == which)]
    if not there and which not in OWN:
        deployments = sorted({path.stem.rpartition("-")[0] for path in folder.glob("*-*.log")})
        raise EndpointError(f"no log of {which!r}: there are {', '.join([*OWN, *deployments])}")
    return there


def last(path: Path, count: int) -> list[str]:
    """Read the last lines of a file."""
    with path.open(encoding="utf-8", errors="replace") as file:
        return list(deque(file, maxlen=count))


def follow(files: list[Path], run: rundir.RunDirectory) -> Iterator[tuple[Path, str]]:
    """Yield what is written from now on, until the endpoint has stopped; a file that is begun anew is, too."""
    places = {path: path.stat().st_size for path in files}
    while rundir.is_running(run):
        for path, place in places.items():
            lines, places[path] = more(path, place)
            yield from ((path, line) for line in lines)
        time.sleep(POLL_SECONDS)


def more(path: Path, place: int) -> tuple[list[str], int]:
    """Read the whole lines behind a place of a file, which may be gone or begun anew, and the place behind them."""
    try:
        with path.open("rb") as file:
            begin = place if os.fstat(file.fileno()).st_size >= place else 0
            file.seek(begin)
            content = file.read()
    except FileNotFoundError:
        return [], place
    whole = content[: content.rfind(b"\n") + 1]
    return [f"{line}\n" for line in whole.decode(errors="replace").split("\n")[:-1]], begin + len(whole)


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}: give a whole number of lines, such as 100")
    return int(text)


def _named(path: Path, line: str, files: list[Path]) -> str:
    ended = line if line.endswith("\n") else f"{line}\n"
    return f"{path.stem}  {ended}" if len(files) > 1 else ended
