"""The figures as rows of words, which the terminal, Markdown and the page share; and how the terminal shows them."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tritext_loadtest.ledger import Spread
from tritext_loadtest.metrics import Counters
from tritext_loadtest.records import Outcome
from tritext_loadtest.result import Result
from tritext_loadtest.slo import OBJECTIVES, Check, shown

NONE = "–"
LEFT_OUT_AT_NONE = ("failed", "too late", "not sent", "restarts")
Row = tuple[str, ...]


def request_rows(result: Result) -> list[Row]:
    """Say what became of the requests."""
    totals = result.totals
    refused = totals.rejection
    rejected = f" (median after {refused.p50:.0f} ms)" if refused else ""
    rows = [
        ("requests", f"{totals.requests:,} with {totals.texts:,} texts in {totals.seconds:.1f} s"),
        ("answered", f"{totals.count(Outcome.ANSWERED):,}, {totals.texts_per_second:.1f} texts/s"),
        ("rejected", f"{totals.count(Outcome.REJECTED):,}, {totals.rejected_share:.2%}{rejected}"),
        ("failed", f"{totals.count(Outcome.FAILED):,}"),
        ("too late", f"{totals.count(Outcome.LATE):,}"),
        ("not sent", f"{totals.count(Outcome.SHED):,}"),
        ("latency", _latency(totals.latency)),
        ("labels", _labels(result)),
        ("sent late", f"p99 {totals.lateness_p99:.1f} ms, at most {totals.lateness_most:.1f} ms"),
        ("restarts", f"{result.restarted} of the server's processes came or went during the run"),
        ("this side", f"{result.generator_cores:.2f} cores in {_processes(result.subject.processes)}"),
    ]
    found = [row for row in rows if not row[1].startswith("0") or row[0] not in LEFT_OUT_AT_NONE]
    return [*found, *_unread(result)]


def served_rows(result: Result) -> list[Row]:
    """Say what the server's metrics tell of each model: batches, and where its requests spent their time."""
    return [(model, *_served(counters)) for model, counters in result.served_totals.items()]


SERVED_HEAD: Row = ("model", "batches", "texts a batch", "queue ms", "input ms", "compute ms", "output ms")


def memory_rows(result: Result) -> list[Row]:
    """Say how each of the server's processes grew."""
    return [
        (
            f"{growth.name} ({growth.pid})",
            f"{growth.rss[0]:.1f} → {growth.rss[1]:.1f}",
            str(growth.slope) if growth.slope else NONE,
            _range(growth.files),
            _range(growth.regions),
        )
        for growth in result.memory
    ]


MEMORY_HEAD: Row = ("process", "resident MiB", "MiB per 100,000 texts", "open files", "shared regions")


def check_rows(result: Result) -> list[Row]:
    """Say how each objective fared."""
    return [_check(check) for check in result.checks]


CHECK_HEAD: Row = ("", "objective", "limit", "measured", "what it is")


def print_summary(console: Console, result: Result, left_out: int) -> None:
    """Print a run.

    Args:
        console: Where to.
        result: The run.
        left_out: Texts of the file that were not sent, since the certificate does not know them.
    """
    subject = result.subject
    addresses = " and ".join(subject.urls)
    console.print(
        f"{subject.scenario}: {subject.model} version {subject.version} at {addresses}", soft_wrap=True, markup=False
    )
    known = f"{subject.certified:,} texts that its certificate knows"
    joined = subject.texts - subject.certified
    more = f", {joined:,} long ones made of them" if joined else ""
    less = f"; {left_out:,} others of the file were left out" if left_out else ""
    console.print(f"sent {known}{more}{less}", soft_wrap=True, markup=False)
    for name, words in request_rows(result):
        console.print(f"{name:<11}{words}", soft_wrap=True, markup=False)
    if result.served_totals:
        console.print(_table(SERVED_HEAD, served_rows(result)))
    if result.memory:
        console.print(_table(MEMORY_HEAD, memory_rows(result)))
    for note in result.wrong[:5]:
        console.print(
            f"wrong label: {note['words']!r}: {note['label']}, expected {note['expected']}",
            soft_wrap=True,
            markup=False,
        )
    for words in result.errors[:3]:
        console.print(f"met: {words}", soft_wrap=True, markup=False)
    console.print(result.line, soft_wrap=True, markup=False)


def _processes(number: int) -> str:
    return "1 process" if number == 1 else f"{number} processes"


def _unread(result: Result) -> list[Row]:
    """Say why there are no batches and queues to be seen."""
    address = result.subject.metrics
    if result.served_totals or not address:
        return []
    return [("metrics", f"none of {result.subject.model} at {address}: no batches and queues; give --metrics")]


def _table(head: Row, rows: list[Row]) -> Table:
    table = Table(*head, box=None, pad_edge=False)
    table.columns[0].no_wrap = True
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        table.add_row(*map(escape, row))
    return table


def _latency(spread: Spread | None) -> str:
    if spread is None:
        return "nothing was answered"
    points = ("p50", "p90", "p95", "p99", "most")
    return ", ".join(f"{name} {getattr(spread, name):.1f}" for name in points) + " ms"


def _labels(result: Result) -> str:
    ties = f", {result.totals.ties:,} ties" if result.totals.ties else ""
    return f"{result.totals.wrong:,} wrong of {result.totals.answered_texts:,}{ties}"


def _served(counters: Counters) -> Row:
    size = counters.batch_size
    parts = (counters.milliseconds(part) for part in ("queue", "input", "compute", "output"))
    sizes = (f"{counters.batches:,.0f}", NONE if size is None else f"{size:.1f}")
    return (*sizes, *(NONE if value is None else f"{value:.2f}" for value in parts))


def _range(counts: tuple[int, int] | None) -> str:
    if counts is None:
        return NONE
    return str(counts[0]) if counts[0] == counts[1] else f"{counts[0]}–{counts[1]}"


def _check(check: Check) -> Row:
    objective = OBJECTIVES[check.name]
    measured = NONE if check.value is None else f"{shown(check.value)} {objective.unit}".strip()
    limit = f"≤ {check.limit:g} {objective.unit}".strip()
    return ("✓" if check.holds else "✗", check.name, limit, measured, objective.what)
