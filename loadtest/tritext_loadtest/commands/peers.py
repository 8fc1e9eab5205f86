"""``tritext bench --repository``: tritext beside its peers; and a report made before, drawn again."""

import argparse
import json
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from tritext_loadtest.commands.progress import Steps
from tritext_loadtest.destinations import require_writable, write_whole
from tritext_loadtest.errors import in_words
from tritext_loadtest.peers.catalogue import PEERS, QUICK, choose
from tritext_loadtest.peers.contest import run_bench
from tritext_loadtest.peers.environments import Workshop, cache
from tritext_loadtest.peers.errors import BenchError
from tritext_loadtest.peers.request import BenchRequest
from tritext_loadtest.peers.table import markdown, replace_summary, require_marks
from tritext_loadtest.texts import read_texts

SOME_MISSING = 1
QUICK_ROUNDS, FULL_ROUNDS = 6, 9
TEXTS, QUICK_SINGLES = 512, 192
LATENCY_SECONDS = 20.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the comparison."""
    group = parser.add_argument_group("side by side with other servers, all started here")
    group.add_argument("--repository", type=Path, metavar="DIR", help="what tritext serves; turns the comparison on")
    group.add_argument("--name", default="sentiment", metavar="NAME", help="the model in it (default: sentiment)")
    group.add_argument("--checkpoint", type=Path, metavar="DIR", help="the same model as save_pretrained wrote it")
    group.add_argument("--peers", metavar="A,B,…", help=f"of {', '.join(p.name for p in PEERS)} (default: all)")
    group.add_argument("--quick", action="store_true", help=f"{', '.join(QUICK)} in one setting each")
    group.add_argument(
        "--environments", type=Path, metavar="DIR", help="where peers are installed (default: the cache)"
    )
    tune_help = "try each peer's grid of settings first (default: unless --quick)"
    group.add_argument("--tune", action=argparse.BooleanOptionalAction, help=tune_help)
    latency_help = "seconds at 50, 70 and 90 %% of saturation; 0 for none (default: 20, or 0 if --quick)"
    group.add_argument("--latency", type=float, metavar="S", help=latency_help)
    group.add_argument("--from", dest="earlier", type=Path, metavar="FILE", help="draw this report; measure nothing")
    group.add_argument("--json", type=Path, metavar="FILE", help="write the report")
    group.add_argument("--markdown", type=Path, metavar="FILE", help="write it as tables")
    group.add_argument("--plots", type=Path, metavar="DIR", help="write it as PNG pictures")
    group.add_argument("--readme", type=Path, metavar="FILE", help="put its summary between the marks of this document")


def run(args: argparse.Namespace) -> int:
    """Compare, or read an earlier report; tell it, then write what is wanted.

    Raises:
        BenchError: the comparison cannot be made, or a file cannot be written; the others are.
    """
    if not args.earlier:
        _require_places(args)
    if args.plots:
        from tritext_loadtest.peers import plots  # noqa: F401  # a missing matplotlib is told before, not after
    report = read_report(args.earlier) if args.earlier else measure(args)
    if not args.earlier:
        sys.stdout.write(markdown(report))
        sys.stdout.flush()
    for name, reason in report["failures"].items():
        sys.stderr.write(f"not measured: {name}: {reason}\n")
    _write(args, report)
    return SOME_MISSING if report["failures"] and not args.earlier else 0


def _require_places(args: argparse.Namespace) -> None:
    """Refuse files that could not be written, and a document without its marks, before hours are spent."""
    pictures = args.plots / "cpu.png" if args.plots else None
    require_writable({"--json": args.json, "--markdown": args.markdown, "--plots": pictures, "--readme": args.readme})
    if args.readme:
        try:
            require_marks(args.readme.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise BenchError(f"--readme {args.readme}: {in_words(error)}") from error


def _write(args: argparse.Namespace, report: dict[str, Any]) -> None:
    """Write every file that is wanted, and only then say which could not be."""
    failed = []
    for name in ("json", "markdown", "plots", "readme"):
        path: Path | None = getattr(args, name)
        if path is None or (name == "json" and args.earlier):
            continue
        try:
            _WRITERS[name](path, report)
        except (OSError, ValueError, KeyError, TypeError) as error:
            failed.append(f"--{name} {path}: {error}")
    if failed:
        told = "" if args.earlier else ": the figures are told above"
        raise BenchError("; ".join(failed) + told)


def _write_json(path: Path, report: dict[str, Any]) -> None:
    write_whole(path, json.dumps(report, indent=1, ensure_ascii=False) + "\n")


def _write_markdown(path: Path, report: dict[str, Any]) -> None:
    write_whole(path, markdown(report))


def _draw(path: Path, report: dict[str, Any]) -> None:
    from tritext_loadtest.peers.plots import draw

    draw(report, path)


def _write_summary(document: Path, report: dict[str, Any]) -> None:
    write_whole(document, replace_summary(document.read_text(encoding="utf-8"), report))


_WRITERS: Mapping[str, Callable[[Path, dict[str, Any]], None]] = {
    "json": _write_json,
    "markdown": _write_markdown,
    "plots": _draw,
    "readme": _write_summary,
}


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Run the comparison that the arguments ask for."""
    missing = [f"--{name}" for name in ("repository", "checkpoint", "texts") if getattr(args, name) is None]
    if missing:
        raise BenchError(f"the comparison needs {' and '.join(missing)} too")
    names = args.peers.split(",") if args.peers else QUICK if args.quick else [peer.name for peer in PEERS]
    request = BenchRequest(
        repository=args.repository,
        name=args.name,
        checkpoint=args.checkpoint,
        texts=read_texts(args.texts, args.count or TEXTS, args.text_column),
        peers=choose(names),
        workshop=Workshop(args.environments or cache()),
        quick=args.quick,
        rounds=args.rounds or (QUICK_ROUNDS if args.quick else FULL_ROUNDS),
        singles=QUICK_SINGLES if args.quick and not args.count else None,
        tune=not args.quick if args.tune is None else args.tune,
        latency_seconds=(0.0 if args.quick else LATENCY_SECONDS) if args.latency is None else args.latency,
    )
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that it ends as after Ctrl-C: all stopped
    try:
        return _run_bench(request)
    finally:
        signal.signal(signal.SIGTERM, before)


def _run_bench(request: BenchRequest) -> dict[str, Any]:
    with Steps(Console(stderr=True, highlight=False)) as steps:
        return run_bench(request, steps.show)


def read_report(file: Path) -> dict[str, Any]:
    """Read what ``--json`` wrote.

    Raises:
        BenchError: it is no such report.
    """
    try:
        report: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BenchError(f"{file}: {in_words(error)}: give a file that --json wrote") from error
    try:
        markdown(report)  # which reads nearly all of it
        dict(report["failures"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BenchError(f"{file}: no report of a comparison ({error}): give a file that --json wrote") from error
    return report
