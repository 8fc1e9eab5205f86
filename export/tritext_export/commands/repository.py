"""``tritext repository``: which versions there are, whether they are what was certified, which of them serves."""

import argparse
import json
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tritext_export.catalogue import Version, list_versions
from tritext_export.commands.arguments import count
from tritext_export.errors import ExportError
from tritext_export.rotation import promote, prune, roll_back
from tritext_export.verification import verify

HELP = "list, verify, promote, roll back and prune the versions in a model repository"
ERRORS = (ExportError,)
EPILOG = """\
Every change is safe to kill at any moment and waits for nobody: while an export is writing, it is
refused. A running server keeps the version it has loaded until it is started again.

example:
  tritext repository list
  tritext repository verify sentiment
  tritext repository promote sentiment 3
  tritext repository rollback sentiment
  tritext repository prune --keep 3

`tritext repository push`, `pull` and `sync` take a repository to blob storage and back; each has its own --help.
"""
PIPE_WIDTH = 160


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = EPILOG
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = _action(actions, "list", "every version: which serves, how exact it is, how large", "list --json")
    _models(listing)
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    verifying = _action(
        actions,
        "verify",
        "check hashes, certificates, graphs and configurations; status 1 if anything is wrong",
        "verify sentiment",
    )
    _models(verifying)
    promoting = _action(
        actions, "promote", "put a version in service, once its files are verified", "promote sentiment 3"
    )
    promoting.add_argument("model", metavar="MODEL", help="name of the model")
    promoting.add_argument("version", type=count, metavar="VERSION", help="what is to serve")
    back = _action(
        actions, "rollback", "put the newest sound version before the serving one in service", "rollback sentiment"
    )
    back.add_argument("model", metavar="MODEL", help="name of the model")
    pruning = _action(
        actions,
        "prune",
        "remove old versions; never the one in service, nor one that a running `tritext serve` on this machine has",
        "prune sentiment --keep 2",
    )
    _models(pruning)
    pruning.add_argument("--keep", type=count, default=3, metavar="N", help="of the newest (default: 3)")
    pruning.add_argument("--dry-run", action="store_true", help="say what would be removed, and remove nothing")


def run(args: argparse.Namespace) -> int:
    """Do what the action says."""
    actions = {"list": _list, "verify": _verify, "promote": _promote, "rollback": _roll_back, "prune": _prune}
    return actions[args.action](args)


def _list(args: argparse.Namespace) -> int:
    versions = list_versions(args.repository, args.models)
    if args.json:
        sys.stdout.writelines(json.dumps(v.to_json(), ensure_ascii=False) + "\n" for v in versions)
        return 0
    console = Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)
    console.print(_table(versions))
    return 0


def _verify(args: argparse.Namespace) -> int:
    checked = wrong = 0
    for name, version, findings in verify(args.repository, args.models):
        checked += version is not None
        wrong += len(findings)
        sys.stdout.writelines(f"{finding}\n" for finding in findings)
        if version is not None and not findings:
            sys.stdout.write(f"{name} {version}: as certified\n")
        sys.stdout.flush()
    sys.stdout.write(f"{_counted(checked, 'version')} checked, {_counted(wrong, 'finding')}\n")
    return 1 if wrong else 0


def _promote(args: argparse.Namespace) -> int:
    before = promote(args.repository, args.model, args.version)
    instead = "" if before in (None, args.version) else f", instead of version {before}"
    sys.stdout.write(f"{args.model}: version {args.version} is in service{instead}\n{_RESTART}\n")
    return 0


def _roll_back(args: argparse.Namespace) -> int:
    before, now = roll_back(args.repository, args.model)
    sys.stdout.write(f"{args.model}: version {now} is in service, instead of version {before}\n{_RESTART}\n")
    return 0


def _prune(args: argparse.Namespace) -> int:
    removed = prune(args.repository, args.models, args.keep, pretend=args.dry_run)
    sys.stdout.writelines(f"{name} {version}: {fate}\n" for name, version, fate in removed)
    if not removed:
        sys.stdout.write("nothing to remove\n")
    return 0


_RESTART = "a running server keeps what it has: start it again"


def _action(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, what: str, example: str
) -> argparse.ArgumentParser:
    parser = actions.add_parser(
        name,
        help=what,
        description=what,
        epilog=f"example:\n  tritext repository {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--repository", type=Path, default=Path("model_repository"), metavar="DIR", help="default: model_repository"
    )
    return parser


def _models(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("models", nargs="*", metavar="MODEL", help="name of a model (default: every one)")


def _table(versions: tuple[Version, ...]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("model", overflow="fold")
    table.add_column("version", justify="right")
    for heading in ("serves", "certificate", "precision"):
        table.add_column(heading, no_wrap=True)
    for heading in ("accuracy", "agreement", "size"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("created (UTC)", no_wrap=True)
    for v in versions:
        cells = (
            v.model,
            str(v.version),
            "yes" if v.in_service else "",
            {True: "passed", False: "FAILED", None: "missing"}[v.passed],
            v.precision or "?",
            _number(v.accuracy, ".4f"),
            _number(v.agreement, ".2%"),
            f"{v.bytes / 1e6:.1f} MB",
            (v.created or "?").removesuffix("+00:00").replace("T", " "),
        )
        table.add_row(*(Text(cell) for cell in cells), style="bold" if v.in_service else "")
    return table


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
