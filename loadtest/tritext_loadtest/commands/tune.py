"""``tritext tune``: a repository and your own texts in; the settings that serve them at the least cost out."""

import argparse
import datetime
import json
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from tritext_loadtest.commands.arguments import add_pairs, add_texts, count, positive
from tritext_loadtest.cores import count_cores
from tritext_loadtest.destinations import require_writable, write_whole
from tritext_loadtest.errors import LoadTestError
from tritext_loadtest.slo import DEFAULT, read_slo
from tritext_loadtest.texts import read_items
from tritext_loadtest.tune.control import processor, read_batch_limit, read_control
from tritext_loadtest.tune.errors import TuneError
from tritext_loadtest.tune.halving import ladder
from tritext_loadtest.tune.picture import to_html
from tritext_loadtest.tune.record import FIGURES, HEAD, comment, rows, sentence, to_json
from tritext_loadtest.tune.servers import Subject
from tritext_loadtest.tune.settings import candidates
from tritext_loadtest.tune.sweep import MOST_LATE_MILLISECONDS, Findings, Search, search

HELP = "find the settings that serve your own texts at the least cost, under your objectives"
ERRORS = (LoadTestError,)
QUICK_SETTINGS, FULL_SETTINGS = 9, 24
QUICK_SECONDS, FULL_SECONDS = 4.0, 10.0
MOST_TEXTS = 2048
LOG_WIDTH = 140
NOT_HELD, INTERRUPTED = 1, 130
# Whose objectives hold, where the file tells scenarios apart: each turn is a steady load.
SCENARIO = "steady"
EPILOG = """\
Starts a server for each setting, on free ports of this machine, and lets them take turns under the same load: the
better half goes on, with more turns. Of those that hold the objectives the cheapest is written to --out, or the
usual setting where none is surely cheaper; serve with it by `tritext serve --tuned FILE`. Ctrl-C ends the search
and keeps what was measured.

exit codes: 0 the objectives hold, 1 they hold with no setting, or an error, 2 usage, 130 interrupted

example:
  tritext tune --repository model_repository --texts reviews.tsv --slo slo.toml --html tune.html
  tritext serve model_repository --tuned tuned.toml
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = EPILOG
    add_texts(parser)
    add_pairs(parser)
    parser.add_argument(
        "--repository", type=Path, default=Path("model_repository"), metavar="DIR", help="default: model_repository"
    )
    parser.add_argument("--model", default="sentiment", metavar="NAME", help="default: sentiment")
    parser.add_argument("--slo", type=Path, metavar="FILE", help="TOML file of objectives, as for `tritext loadtest`")
    parser.add_argument("--quick", action="store_true", help="9 settings for moments, instead of 24 for longer")
    parser.add_argument("--settings", type=count, metavar="N", help="how many are tried (default: 24, or 9)")
    parser.add_argument("--rate", type=positive, metavar="N", help="texts a second (default: 70 %% of what fits)")
    parser.add_argument("--batch", type=count, default=1, metavar="N", help="texts a request (default: 1)")
    parser.add_argument("--seconds", type=positive, metavar="S", help="of each turn (default: 10, or 4)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="other mixtures, another order (default: 1)")
    parser.add_argument(
        "--allow-uncertified", action="store_true", help="tune versions without a passing certificate too"
    )
    parser.add_argument("--out", type=Path, default=Path("tuned.toml"), metavar="FILE", help="default: tuned.toml")
    for name, what in (("json", "every turn"), ("html", "a page with pictures"), ("png", "the pictures alone")):
        parser.add_argument(f"--{name}", type=Path, metavar="FILE", help=what)


def run(args: argparse.Namespace) -> int:
    """Search, tell, write."""
    limits, unheld = _limits(args.slo)
    request = _search(args, limits)
    require_writable({f"--{name}": getattr(args, name) for name in ("out", "json", "html", "png")})
    if args.png:
        from tritext_loadtest.tune import png  # noqa: F401  # a missing matplotlib is told before, not after
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # it ends as after Ctrl-C: all stopped
    try:
        findings = _watched(request, unheld)
    finally:
        signal.signal(signal.SIGTERM, before)
    about = _about(args, request)
    _tell(findings, limits)
    _file(args, findings, about, limits)
    return _conclude(args, findings, about, limits)


def _file(args: argparse.Namespace, findings: Findings, about: Mapping[str, Any], limits: Mapping[str, float]) -> None:
    """Write the reports that are wanted."""
    if args.json:
        text = json.dumps(to_json(findings, about, limits), indent=1, ensure_ascii=False) + "\n"
        _save(args.json, lambda path: write_whole(path, text))
    if args.html:
        _save(args.html, lambda path: write_whole(path, to_html(findings, about, limits)))
    if args.png:
        from tritext_loadtest.tune.png import draw

        _save(args.png, lambda path: draw(findings, path, limits.get("p99_ms")))


def _conclude(
    args: argparse.Namespace, findings: Findings, about: Mapping[str, Any], limits: Mapping[str, float]
) -> int:
    """Write the winner's file, where there is one, and say what to do with it."""
    verdict = findings.verdict
    if verdict and verdict.holds:
        text = verdict.winner.setting.to_toml(args.model, comment(findings, about, limits))
        _save(args.out, lambda path: write_whole(path, text))
        sys.stdout.write(f"serve with it: tritext serve {args.repository} --tuned {args.out}\n")
    if findings.interrupted:
        return INTERRUPTED
    return 0 if verdict and verdict.holds else NOT_HELD


def _search(args: argparse.Namespace, limits: Mapping[str, float]) -> Search:
    cores, wanted = count_cores(), args.settings or (QUICK_SETTINGS if args.quick else FULL_SETTINGS)
    control = read_control(args.repository, args.model, cores)
    items = read_items(args.texts, args.text_column, args.pair_column)[:MOST_TEXTS]
    most = min(read_batch_limit(args.repository, args.model), len(items))
    if args.batch > most:
        raise TuneError(f"--batch {args.batch}: take {most} at most, as the model or the file allows no more")
    settings = candidates(control, cores, wanted, args.seed)
    return Search(
        subject=Subject(
            args.repository, args.model, args.batch, ("--allow-uncertified",) if args.allow_uncertified else ()
        ),
        items=items,
        settings=settings,
        rungs=ladder(len(settings) - 1, args.quick),
        limits=limits,
        rate=args.rate,
        seconds=args.seconds or (QUICK_SECONDS if args.quick else FULL_SECONDS),
        seed=args.seed,
    )


def _limits(path: Path | None) -> tuple[dict[str, float], list[str]]:
    """Read the objectives, those of the scenario ``steady``; give the names of those that no turn can show, too."""
    found = read_slo(path, SCENARIO) if path else dict(DEFAULT)
    return {name: found[name] for name in found if name in FIGURES}, [name for name in found if name not in FIGURES]


def _watched(request: Search, unheld: Sequence[str]) -> Findings:
    """Search, with a line that says how far it is."""
    console = Console(stderr=True, highlight=False)
    if unheld:
        console.print(f"not looked at: {', '.join(unheld)}: `tritext loadtest soak` holds them", style="yellow")
    if not console.is_terminal:
        return search(request, lambda what, _: console.print(f"· {what} …", markup=False, soft_wrap=True))
    columns = BarColumn(24), TimeRemainingColumn(compact=True), TextColumn("{task.description}", markup=False)
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=1.0)

        def tell(what: str, share: float) -> None:
            progress.update(task, completed=share, description=what)

        return search(request, tell)


def _about(args: argparse.Namespace, request: Search) -> dict[str, Any]:
    return {
        "model": args.model,
        "texts": len(request.items),
        "batch": args.batch,
        "seconds": request.seconds,
        "seed": args.seed,
        "cores": count_cores(),
        "processor": processor(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def _tell(findings: Findings, limits: Mapping[str, float]) -> None:
    """Print every setting, and what came of it."""
    table = Table(*HEAD, box=None, pad_edge=False)
    for column in table.columns[1:-1]:
        column.justify = "right"
    for row in rows(findings):
        table.add_row(*map(escape, row))
    console = Console(file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else LOG_WIDTH)
    console.print(table)
    how = "interrupted; until then: " if findings.interrupted else ""
    console.print(
        f"{findings.rate:.0f} texts a second. {how}{sentence(findings, limits)}", markup=False, soft_wrap=True
    )
    late = max((turn.lateness_milliseconds for one in findings.everybody for turn in one.turns), default=0.0)
    if late > MOST_LATE_MILLISECONDS:
        console.print(f"This side was up to {late:.0f} ms late (p99): the latencies hold that too.", soft_wrap=True)


def _save(path: Path, write: Callable[[Path], object]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path)
    except OSError as error:
        raise TuneError(f"{path}: {error.strerror or error}: the search is over and told above") from error
