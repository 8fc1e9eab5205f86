"""``tritext endpoint promote``: all of the traffic for a candidate, step by step, or the former split again."""

import argparse
import signal
import sys
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from tritext_serve.commands.serve import positive
from tritext_serve.endpoint import control
from tritext_serve.endpoint.rundir import RunDirectory
from tritext_serve.endpoint.verbs.shared import add_endpoint, chosen
from tritext_serve.endpoint.verdict.decision import Bar
from tritext_serve.endpoint.verdict.look import Look, Shares
from tritext_serve.endpoint.verdict.promotion import Plan, Promotion, Stage
from tritext_serve.endpoint.verdict.report import promotion_json, promotion_markdown
from tritext_serve.errors import PromoteError

HELP = "shift all traffic to a deployment, step by step, if it proves as good"
EPILOG = """\
First it is compared, text by text, on mirrored requests; then it gets more and more of the traffic.
Other labels, errors or a longer 99th percentile put everything back as it was, and so does Ctrl-C.

example:
  tritext endpoint promote green
  tritext endpoint promote green --max-disagreement 1% --steps 50,100 --step-seconds 300
"""
_BAR, _PLAN = Bar(), Plan()


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = EPILOG
    parser.add_argument("candidate", metavar="DEPLOYMENT", help="who is to get the traffic")
    parser.add_argument(
        "--steps", type=_steps, default=_PLAN.steps, metavar="N,N,…", help="its shares (default: 10,25,50,100)"
    )
    parser.add_argument(
        "--step-seconds", type=_seconds, default=_PLAN.step_seconds, metavar="S",
        help=f"how long each is looked at, at least (default: {_PLAN.step_seconds:g})",
    )  # fmt: skip
    parser.add_argument(
        "--patience", type=_seconds, default=_PLAN.patience_seconds, metavar="S",
        help=f"give up when no request came for so long (default: {_PLAN.patience_seconds:g})",
    )  # fmt: skip
    _configure_bar(parser)
    parser.add_argument("--report", type=Path, metavar="FILE", help="write what was found: Markdown, or JSON by .json")
    add_endpoint(parser)


def _configure_bar(parser: argparse.ArgumentParser) -> None:
    """Declare what the candidate must reach."""
    parser.add_argument(
        "--max-disagreement", type=_part, default=_BAR.disagreement, metavar="PART",
        help="of the compared texts that may get another label (default: 0.5%%)",
    )  # fmt: skip
    parser.add_argument(
        "--min-compared", type=positive, default=_BAR.compared, metavar="N",
        help=f"different texts that must have been compared (default: {_BAR.compared})",
    )  # fmt: skip
    parser.add_argument(
        "--max-error-rate", type=_part, default=_BAR.errors, metavar="PART",
        help="of its answers that may be errors, beyond the live share of errors (default: 1%%)",
    )  # fmt: skip
    parser.add_argument(
        "--max-p99-ratio", type=_seconds, default=_BAR.p99_ratio, metavar="X",
        help=f"its 99th percentile by the live one's (default: {_BAR.p99_ratio:g})",
    )  # fmt: skip
    parser.add_argument(
        "--min-requests", type=positive, default=_BAR.requests, metavar="N",
        help=f"answers that must have been seen before each next step (default: {_BAR.requests})",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Promote.

    Raises:
        PromoteError: the candidate did not prove as good, and everything is as it was.
        EndpointError: the endpoint does not answer.
    """
    bar = Bar(args.max_disagreement, args.min_compared, args.max_error_rate, args.max_p99_ratio, args.min_requests)
    plan = Plan(args.steps, args.step_seconds, args.patience, bar)
    with Bars(plan) as bars:
        promotion = Promotion(_Socket(chosen(args)), args.candidate, plan, bars.show)
        before = {number: signal.signal(number, _interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            promotion.run()
        except PromoteError as error:
            _write(args, plan, promotion.stages, f"Not promoted: {error}.", promoted=False)
            raise
        except KeyboardInterrupt:
            _write(args, plan, promotion.stages, "Interrupted, and put back.", promoted=False)
            raise
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    last = promotion.stages[-1].share
    _write(args, plan, promotion.stages, f"Promoted: {args.candidate} has {last} % of the traffic.", promoted=True)
    sys.stdout.write(f"promoted  {args.candidate}={last}\n")
    return 0


class Bars:
    """What a person who waits sees: one line for each share of the traffic."""

    def __init__(self, plan: Plan) -> None:
        """Show nothing yet.

        Args:
            plan: What is waited for.
        """
        self._bar = plan.bar
        self._progress = Progress(
            TextColumn("{task.description:<12}"), BarColumn(24), TextColumn("{task.fields[words]}"),
            TimeElapsedColumn(), console=Console(stderr=True),
        )  # fmt: skip
        self._tasks: dict[int, TaskID] = {}

    def __enter__(self) -> "Bars":
        """Begin."""
        self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Leave the lines as they are."""
        self._progress.stop()

    def show(self, stage: Stage, lacking: tuple[str, ...]) -> None:
        """Show what is known of a share, and what still lacks."""
        if stage.share not in self._tasks:
            name = stage.name
            self._tasks[stage.share] = self._progress.add_task(name, total=self._wanted(stage), words="")
        self._progress.update(self._tasks[stage.share], completed=self._had(stage), words=_words(stage, lacking))

    def _wanted(self, stage: Stage) -> int:
        return self._bar.requests if stage.share else self._bar.compared

    def _had(self, stage: Stage) -> int:
        evidence = stage.evidence
        return min(self._wanted(stage), evidence.candidate.requests if stage.share else evidence.agreement.compared)


class _Socket:
    """A running endpoint, by its control socket."""

    def __init__(self, where: RunDirectory) -> None:
        self._where = where

    def look(self) -> Look:
        return Look.read(control.ask(self._where.control, {"verb": "verdict", "served": True}))

    def split(self, traffic: Shares, mirror: Shares, *, seen: int, force: bool = False) -> None:
        request = {"verb": "split", "traffic": dict(traffic), "mirror": dict(mirror), "seen": seen, "force": force}
        control.ask(self._where.control, request)


def _words(stage: Stage, lacking: tuple[str, ...]) -> str:
    agreement, served = stage.evidence.agreement, stage.evidence.candidate
    known = f"{agreement.disagreements}/{agreement.compared} other labels, {served.errors}/{served.requests} errors"
    return f"{known}; {lacking[0]}" if lacking else known


def _write(args: argparse.Namespace, plan: Plan, stages: list[Stage], outcome: str, *, promoted: bool) -> None:
    if args.report is None:
        return
    if args.report.suffix == ".json":
        text = promotion_json(args.candidate, plan, stages, outcome, promoted=promoted)
    else:
        text = promotion_markdown(args.candidate, plan, stages, outcome)
    try:
        args.report.write_text(text, encoding="utf-8")
    except OSError as error:
        sys.stderr.write(f"{args.report}: {error.strerror}: the report was not written\n")


def _interrupt(signum: int, frame: FrameType | None) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # a second one must not leave the traffic half put back
    raise KeyboardInterrupt


def _steps(text: str) -> tuple[int, ...]:
    """Read shares such as ``10,25,100``."""
    words = [word.strip().removesuffix("%") for word in text.split(",")]
    shares = tuple(int(word) for word in words if word.isdecimal())
    if len(shares) != len(words) or any(not 1 <= share <= 100 for share in shares) or sorted(set(shares)) != [*shares]:
        raise argparse.ArgumentTypeError(f"{text!r}: write per cents that grow, such as 10,25,50,100")
    return shares


def _part(text: str) -> float:
    """Read ``0.5%`` or ``0.005``."""
    try:
        part = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        part = -1.0
    if not 0 <= part <= 1:
        raise argparse.ArgumentTypeError(f"{text!r}: write a part, such as 0.5% or 0.005")
    return part


def _seconds(text: str) -> float:
    """Read a number above nought."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r}: write a number above 0")
    return number
