"""``tritext endpoint keys``: what the keys are called and how old they are, one of them, or a new one."""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tritext_serve.endpoint import control, keys
from tritext_serve.endpoint.verbs.shared import add_endpoint, chosen
from tritext_serve.errors import KeysError

HELP = "list the keys, print one, or give one a new value"
EPILOG = """\
Both keys are accepted all the time. To change keys without an outage: let clients use the secondary,
rotate the primary, let them use that, rotate the secondary.

example:
  tritext endpoint keys
  curl localhost:8080/predict -H "Authorization: Bearer $(tritext endpoint keys primary)" \\
    -H "Content-Type: application/json" -d '{"text": "Fine."}'
  tritext endpoint keys rotate secondary
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = EPILOG
    parser.add_argument(
        "words",
        nargs="*",
        metavar="list | [show] NAME | rotate NAME",
        help="names are primary and secondary; a key is printed alone, for $(…)",
    )
    add_endpoint(parser)


def run(args: argparse.Namespace) -> int:
    """List, print or rotate.

    Raises:
        KeysError: there is no such key, or the file cannot be read.
        EndpointError: the endpoint does not answer, or its edge refuses.
    """
    what, name = action(args.words)
    request = {"verb": "rotate", "key": name} if what == "rotate" else {"verb": "keys"}
    answer = control.ask(chosen(args).control, request)
    if what == "show":
        sys.stdout.write(f"{_secret(Path(answer['path']), name)}\n")
    else:
        Console(highlight=False).print(table(answer["keys"], time.time()))
    return 0


def action(words: list[str]) -> tuple[str, str]:
    """Say what is wanted of which key.

    Raises:
        KeysError: the words mean nothing.
    """
    match words:
        case [] | ["list"]:
            return "list", ""
        case [("show" | "rotate") as what, name] if name in keys.NAMES:
            return what, name
        case [name] if name in keys.NAMES:
            return "show", name
    raise KeysError(f"{' '.join(words)!r}: write list, {', '.join(keys.NAMES)}, or rotate and one of these names")


def table(described: dict[str, Any], now: float) -> Table:
    """Lay out a row for each key.

    Args:
        described: What ``Keys.described`` said.
        now: Seconds since 1970.
    """
    laid_out = Table("key", "made", "age", "fingerprint", box=None, pad_edge=False, header_style="dim")
    for name, key in described.items():
        made = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(key["made"]))
        laid_out.add_row(name, made, _age(now - key["made"]), key["fingerprint"])
    return laid_out


def _secret(path: Path, name: str) -> str:
    try:
        return keys.read(path)[name]
    except FileNotFoundError as error:
        raise KeysError(f"{path}: is gone: start the endpoint again") from error


def _age(seconds: float) -> str:
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} s"
