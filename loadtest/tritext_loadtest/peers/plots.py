"""A report as pictures: bars of CPU time, and latency against load, as PNG. Imports matplotlib."""

from pathlib import Path
from typing import Any

from tritext_loadtest.peers.errors import BenchError

try:
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter, ScalarFormatter
except ImportError as missing:
    raise BenchError(f"{missing}: --plots needs `pip install 'tritext[loadtest]'`") from missing

mpl.use("Agg")
COLOURS = {"tritext": "#1f6feb", "engine": "#8b949e"}
OTHERS = {"torch": "#d29922", "plain": "#bf8700", "ours": "#2da44e"}


def draw(report: dict[str, Any], folder: Path) -> list[Path]:
    """Draw what a report holds.

    Returns:
        The files written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = [_bars(report, folder / "cpu.png")]
    if report["latencies"]:
        files.append(_lines(report, folder / "latency.png"))
    return files


def _bars(report: dict[str, Any], file: Path) -> Path:
    rows = [row for row in report["rows"] if row["texts_a_request"] == 1][::-1]
    figure = Figure(figsize=(9, 1 + 0.32 * len(rows)), layout="constrained")
    axes = figure.subplots()
    values = [row["cpu_milliseconds"] for row in rows]
    errors = [
        [max(0.0, row["cpu_milliseconds"] - row["cpu_interval"][0]) for row in rows],
        [max(0.0, row["cpu_interval"][1] - row["cpu_milliseconds"]) for row in rows],
    ]
    colours = [COLOURS.get(row["peer"], OTHERS.get(row["form"], "#888888")) for row in rows]
    bars = axes.barh([row["name"] for row in rows], values, xerr=errors, color=colours, capsize=3)
    axes.bar_label(bars, fmt="%.2f", padding=6)
    axes.set_xscale("log")
    axes.set_xlim(min(values) / 2, max(values) * 2)
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
    figure.supxlabel("server CPU-ms a text, 16 clients × 1 text (log scale; medians, 95 % intervals)", fontsize=9)
    figure.savefig(file, dpi=120)
    return file


def _lines(report: dict[str, Any], file: Path) -> Path:
    figure = Figure(figsize=(9, 5), layout="constrained")
    axes = figure.subplots()
    for name, found in report["latencies"].items():
        rates = [one["texts_per_second"] for one in found]
        (line,) = axes.plot(rates, [one["p99_milliseconds"] for one in found], marker="o", label=name)
        axes.plot(rates, [one["p50_milliseconds"] for one in found], marker=".", ls=":", color=line.get_color())
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("texts a second offered (50, 70 and 90 % of each server's saturation)")
    axes.set_ylabel("latency, ms: p99 (lines), p50 (dots)")
    axes.legend(fontsize=7)
    figure.savefig(file, dpi=120)
    return file
