"""``tritext loadtest``: a scenario and a server in; a verdict as exit code, and reports, out."""

import argparse
import datetime
import signal
import sys
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from tritext import Client, TritextError
from tritext_loadtest.commands.arguments import add_pairs, add_texts, count_to, positive
from tritext_loadtest.commands.progress import Live
from tritext_loadtest.destinations import require_writable
from tritext_loadtest.errors import GeneratorError, LoadTestError, ScenarioError, in_words
from tritext_loadtest.plan import Plan
from tritext_loadtest.preparation import Prepared, prepare
from tritext_loadtest.report import WRITERS, write_reports
from tritext_loadtest.report.table import print_summary
from tritext_loadtest.result import Exit, Result, Subject, conclude
from tritext_loadtest.scenarios import SCENARIOS, Scenario
from tritext_loadtest.schedule import Draw
from tritext_loadtest.session import carry_out
from tritext_loadtest.slo import DEFAULT, read_slo
from tritext_loadtest.texts import read_items
from tritext_loadtest.watch import Watch, local_server, metrics_url, scrape

HELP = "load a served model on a schedule, check every label, and hold the figures against objectives"
WEB_PORT = 8089
LOG_WIDTH = 120
MOST_IN_FLIGHT = 100_000
MOST_WORKERS = 64
EPILOG = f"""\
scenarios:
{chr(10).join(f"  {scenario.name:<15}{scenario.what}" for scenario in SCENARIOS.values())}

Requests are sent at their moments, whether or not the server keeps up, and latency counts from those moments. The
rate is in texts a second. Only texts that the model's certificate knows are sent, and each must get its label.

exit codes: 0 the objectives hold, 1 they do not, 2 nothing was measured (usage, files, or no server that answers),
3 void: this side could not send in time, 130 interrupted

examples:
  tritext loadtest steady --texts reviews.tsv --rate 50 --duration 60
  tritext loadtest spike --texts reviews.tsv --url http://127.0.0.1:8000 --slo slo.toml --html report.html
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = EPILOG
    parser.add_argument("scenario", choices=list(SCENARIOS), metavar="SCENARIO", help="one of those below")
    add_texts(parser)
    add_pairs(parser)
    parser.add_argument(
        "--repository",
        type=Path,
        default=Path("model_repository"),
        metavar="DIR",
        help="the server's model repository, which says what it must answer (default: model_repository)",
    )
    parser.add_argument("--model", default="sentiment", metavar="NAME", help="default: sentiment")
    parser.add_argument(
        "--url",
        action="append",
        metavar="URL",
        help="grpc://host:port or http://host:port; given again, addresses take turns (default: grpc://127.0.0.1:8001)",
    )
    parser.add_argument("--key", type=Path, metavar="FILE", help="file of the API key (default: TRITEXT_API_KEY)")
    _configure_load(parser)
    _configure_reports(parser)


def _configure_load(parser: argparse.ArgumentParser) -> None:
    load = parser.add_argument_group("load")
    load.add_argument("--rate", type=positive, default=50.0, metavar="N", help="texts a second (default: 50)")
    load.add_argument("--duration", type=positive, metavar="S", help="seconds (default: 60, soak 1800)")
    load.add_argument("--timeout", type=positive, default=10.0, metavar="S", help="of a request (default: 10)")
    load.add_argument("--seed", type=int, default=1, metavar="N", help="another schedule (default: 1)")
    load.add_argument(
        "--workers", type=count_to(MOST_WORKERS), default=1, metavar="N", help="processes that send (default: 1)"
    )
    load.add_argument(
        "--in-flight",
        type=count_to(MOST_IN_FLIGHT),
        default=512,
        metavar="N",
        help="open requests of a process (default: 512)",
    )
    load.add_argument("--max-lateness", type=positive, default=50.0, metavar="MS", help="p99, else void (default: 50)")
    load.add_argument(
        "--metrics",
        metavar="URL",
        help="Triton's metrics (default: those of the Triton at the first address, else its port 8002)",
    )
    load.add_argument(
        "--web", type=int, nargs="?", const=WEB_PORT, default=0, metavar="PORT", help="Locust's page on 127.0.0.1"
    )


def _configure_reports(parser: argparse.ArgumentParser) -> None:
    reports = parser.add_argument_group("objectives and reports")
    reports.add_argument("--slo", type=Path, metavar="FILE", help="TOML file of objectives (default: no wrong label)")
    for name, what in (("json", "everything"), ("junit", "XML"), ("markdown", "tables"), ("html", "a page with plots")):
        reports.add_argument(f"--{name}", type=Path, metavar="FILE", help=what)


def run(args: argparse.Namespace) -> int:
    """Load, judge and report."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # it ends as after Ctrl-C: stopped and told
    try:
        return _run(args)
    except GeneratorError as error:
        return _say(error, Exit.VOID)
    except (LoadTestError, TritextError) as error:
        return _say(error, Exit.USAGE)
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(args: argparse.Namespace) -> int:
    scenario = SCENARIOS[args.scenario]
    limits = read_slo(args.slo, scenario.name) if args.slo else dict(DEFAULT)
    urls = tuple(args.url or ["grpc://127.0.0.1:8001"])
    key = _read_key(args.key) if args.key else None
    items = read_items(args.texts, args.text_column, args.pair_column)
    require_writable({f"--{name}": path for name, path in _wanted(args).items()})
    seconds = args.duration or scenario.seconds
    scenario.phases(args.rate, seconds)
    started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    console = Console(stderr=True, highlight=False)
    with Live(console, scenario.name, seconds) as live:
        with ExitStack() as stack:
            clients = [stack.enter_context(Client(url, args.model, timeout=args.timeout, api_key=key)) for url in urls]
            prepared = prepare(clients, args.model, args.repository, items, scenario, live.say)
        plan = _plan(args, scenario, prepared, urls, seconds)
        models = (args.model, f"{args.model}_classifier")
        server = local_server(urls[0])
        metrics = args.metrics or metrics_url(urls[0], server)
        if args.metrics and not scrape(metrics, models):
            raise ScenarioError(
                f"--metrics {metrics}: tells nothing of {args.model}: give the server's, or leave it out"
            )
        if args.web:
            live.say(f"Locust's page: http://127.0.0.1:{args.web}")
        done = carry_out(plan, key, args.web, lambda answered: Watch(server, metrics, models, answered), live.show)
    subject = _subject(args, plan, prepared, started, metrics)
    result = conclude(subject, plan, done, limits, args.max_lateness)
    return _report(args, result, prepared)


def _plan(
    args: argparse.Namespace, scenario: Scenario, prepared: Prepared, urls: tuple[str, ...], seconds: float
) -> Plan:
    usual, long = prepared.certified, len(prepared.items) - prepared.certified
    return Plan(
        scenario=scenario.name,
        urls=urls,
        model=args.model,
        phases=scenario.phases(args.rate, seconds),
        draw=Draw(usual, long, scenario.long_share, scenario.batches, len(urls)),
        seed=args.seed,
        items=prepared.items,
        expected=prepared.expected,
        timeout=args.timeout,
        in_flight=args.in_flight,
        processes=args.workers,
    )


def _subject(args: argparse.Namespace, plan: Plan, prepared: Prepared, started: str, metrics: str) -> Subject:
    return Subject(
        scenario=plan.scenario,
        model=plan.model,
        version=prepared.version,
        urls=plan.urls,
        rate=args.rate,
        seconds=plan.seconds,
        seed=plan.seed,
        processes=plan.processes,
        texts=len(plan.items),
        certified=prepared.certified,
        started=started,
        metrics=metrics,
    )


def _report(args: argparse.Namespace, result: Result, prepared: Prepared) -> int:
    width = None if sys.stdout.isatty() else LOG_WIDTH
    print_summary(Console(file=sys.stdout, highlight=False, width=width), result, prepared.unknown)
    write_reports(result, _wanted(args))
    return int(result.verdict)


def _wanted(args: argparse.Namespace) -> dict[str, Path]:
    return {name: path for name in WRITERS if (path := getattr(args, name))}


def _say(error: Exception, code: Exit) -> int:
    sys.stderr.write(f"tritext loadtest: {error}\n")
    return int(code)


def _read_key(path: Path) -> str:
    try:
        key = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"--key {path}: {in_words(error)}: give a file that holds the key alone") from error
    if not key:
        raise ScenarioError(f"--key {path}: is empty: give a file that holds the key alone")
    return key
