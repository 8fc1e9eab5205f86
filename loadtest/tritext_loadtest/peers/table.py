"""A report as Markdown: the whole of it for a page, its heart for the README. Pure."""

from typing import Any

Json = dict[str, Any]
# Below that a median lies outside the range of the values too often for an interval to mean what it says.
LEAST_ROUNDS = 6
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
RATIOS = {
    "vs_fastapi": "FastAPI + `transformers.pipeline`",
    "vs_best_peer": "the best peer with its own model",
    "vs_best_peer_same_model": "the best peer given our int8 file",
    "of_engine_limit_batch": "share of the bare engine, 32 texts a request",
    "of_engine_limit_single": "share of the bare engine, 1 text a request",
}


def markdown(report: Json) -> str:
    """Write the whole report."""
    parts = [ratio_table(report), load_table(report, 1, "16 clients, 1 text a request")]
    parts.append(load_table(report, 32, "4 clients, 32 texts a request"))
    if report["latencies"]:
        parts.append(latency_table(report))
    if report["tuning"]:
        parts.append(tuning_table(report))
    if report["failures"]:
        parts.append("\n".join(["## Not measured", "", *(f"- {n}: {why}" for n, why in report["failures"].items())]))
    few = report["machine"]["rounds"] < LEAST_ROUNDS
    more = f" Intervals of fewer than {LEAST_ROUNDS} rounds are mere ranges." if few else ""
    return f"# tritext side by side\n\n{conditions(report)}{more}\n\n" + "\n\n".join(parts) + "\n"


def conditions(report: Json) -> str:
    """Say what the figures were taken on."""
    machine, texts, singles = report["machine"], report["texts"], report.get("single_texts", report["texts"])
    sent = f"{texts} texts a measurement" + (f", {singles} where they go one by one" if singles < texts else "")
    return (
        f"{sent}, {machine['rounds']} rounds in shuffled order, on {machine['cores']} "
        f"cores of {machine['processor']}; the client shares them. Compare figures of one run only. "
        f"{machine['date']}, ONNX Runtime {machine['onnxruntime']}."
    )


def ratio_table(report: Json) -> str:
    """Say how many times tritext's CPU time a text the others' is."""
    lines = ["| tritext's CPU time a text against | ratio | 95 % interval |", "|---|---|---|"]
    for name, title in RATIOS.items():
        if name in report["ratios"]:
            low, high = report["intervals"][name]
            who = report["compared_with"].get(name)
            named = f"{title} ({who})" if who and name != "vs_fastapi" else title
            lines.append(f"| {named} | {_ratio(name, report)} | {low:.2f}–{high:.2f} |")
    return "\n".join(lines)


def load_table(report: Json, texts: int, title: str) -> str:
    """List everybody under one shape of load, the cheapest first."""
    lines = [
        f"## {title}",
        "",
        "| | setting | CPU-ms a text | 95 % | texts/s | p50 ms | p99 ms | MiB | idle CPU-ms/s | labels |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in (row for row in report["rows"] if row["texts_a_request"] == texts):
        low, high = row["cpu_interval"]
        times = f"{row['p50_milliseconds']:.0f} | {row['p99_milliseconds']:.0f}" if row["p50_milliseconds"] else "– | –"
        kept = f"{row['memory_mib']:.0f} | {row['idle_milliseconds']:.1f}" if row["memory_mib"] else "– | –"
        lines.append(
            f"| {row['name']} | {row['setting']} | {row['cpu_milliseconds']:.2f} | {low:.2f}–{high:.2f} | "
            f"{row['texts_per_second']:.0f} | {times} | {kept} | {_labels(row['agreement'])} |"
        )
    return "\n".join(lines)


def latency_table(report: Json) -> str:
    """List latencies at shares of each server's own saturation."""
    lines = [
        "## Latency at a share of each server's own saturation, arrivals on a schedule",
        "",
        "| | share | texts/s | p50 ms | p99 ms | refused | generator late, p99 ms |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, found in report["latencies"].items():
        for one in found:
            late = f"{one['lateness_milliseconds']:.1f}{' (void)' if one['void'] else ''}"
            lines.append(
                f"| {name} | {one['share']:.0%} | {one['texts_per_second']:.0f} | {one['p50_milliseconds']:.1f} | "
                f"{one['p99_milliseconds']:.1f} | {one['failed']:.1%} | {late} |"
            )
    return "\n".join(lines)


def tuning_table(report: Json) -> str:
    """List what was tried to find each peer's best setting."""
    lines = [
        "## The tuning grid",
        "",
        "| peer | model | setting | CPU-ms a text | texts/s | |",
        "|---|---|---|---|---|---|",
    ]
    for row in report["tuning"]:
        figures = (
            f"{row['cpu_milliseconds']:.2f} | {row['texts_per_second']:.0f}" if "cpu_milliseconds" in row else "– | –"
        )
        lines.append(
            f"| {row['peer']} | {row['form']} | {row['setting']} | {figures} | {'best' if row['best'] else ''} |"
        )
    return "\n".join(lines)


def summary(report: Json) -> str:
    """Write what the README shows: everybody's single-text figures in one narrow table, then the ratios."""
    lines = [
        "| 16 clients × 1 text | server CPU-ms a text | texts/s | labels as the checkpoint's |",
        "|---|---|---|---|",
    ]
    for row in (row for row in report["rows"] if row["texts_a_request"] == 1):
        figures = f"{row['cpu_milliseconds']:.2f} | {row['texts_per_second']:.0f} | {_labels(row['agreement'])}"
        lines.append(f"| {row['name']} | {figures} |")
    return "\n".join([*lines, "", ratio_table(report), "", conditions(report)])


def replace_summary(document: str, report: Json) -> str:
    """Put a report's summary between a document's two marks.

    Raises:
        ValueError: the document has no such marks.
    """
    before, after = require_marks(document)
    return f"{before}{BEGIN}\n{summary(report)}\n{END}{after}"


def require_marks(document: str) -> tuple[str, str]:
    """Give what stands before and after a document's two marks.

    Raises:
        ValueError: the document has no such marks.
    """
    before, mark, rest = document.partition(BEGIN)
    _, closing, after = rest.partition(END)
    if not mark or not closing:
        raise ValueError(f"it has no lines {BEGIN} and {END}")
    return before, after


def _ratio(name: str, report: Json) -> str:
    value = report["ratios"][name]
    return f"{value:.0%}" if name.startswith("of_") else f"{value:.1f}×"


def _labels(share: float) -> str:
    return f"{share:.1%}" if share >= 0.95 else f"**wrong: {share:.1%}**"
