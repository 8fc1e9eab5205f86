"""Markdown: a result in, tables out, as a pull request or a wiki shows them. Pure."""

from collections.abc import Sequence

from tritext_loadtest.report.table import (
    CHECK_HEAD,
    MEMORY_HEAD,
    SERVED_HEAD,
    Row,
    check_rows,
    memory_rows,
    request_rows,
    served_rows,
)
from tritext_loadtest.result import Result

# Longer texts are cut where they are quoted.
MOST_CHARACTERS = 120


def to_markdown(result: Result) -> str:
    """Write a run."""
    subject = result.subject
    parts = [
        f"# {subject.scenario}: {subject.model} version {subject.version}",
        f"**{_plain(result.line)}**",
        f"{subject.rate:g} texts a second for {subject.seconds:g} s to {' and '.join(subject.urls)}, "
        f"from {subject.started}.",
        _table(("requests", ""), request_rows(result)),
        _table(CHECK_HEAD, check_rows(result)),
    ]
    if result.served_totals:
        parts.append(_table(SERVED_HEAD, served_rows(result)))
    if result.memory:
        parts.append(_table(MEMORY_HEAD, memory_rows(result)))
    if result.wrong:
        rows = [(str(n["words"]), str(n["label"]), str(n["expected"])) for n in result.wrong]
        parts.append(_table(("text", "label", "expected"), rows))
    if result.errors:
        parts.append("\n".join(f"- {_plain(words)}" for words in result.errors))
    return "\n\n".join(parts) + "\n"


def _table(head: Row, rows: Sequence[Row]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(_plain(cell) for cell in line)} |" for line in lines)


def _plain(words: str) -> str:
    """Keep words on one line and out of Markdown's hands."""
    cut = words if len(words) <= MOST_CHARACTERS * 4 else words[: MOST_CHARACTERS * 4] + "…"
    for sign in "\\|<>`*_":
        cut = cut.replace(sign, f"\\{sign}")
    return " ".join(cut.split())
