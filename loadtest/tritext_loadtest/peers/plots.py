"""A report as pictures: bars of CPU time, and latency against load, as PNG. Imports matplotlib."""

from pathlib import Path
from typing import Any

from tritext_loadtest.peers.errors import BenchError

try:
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch
except ImportError as missing:
    raise BenchError(f"{missing}: --plots needs `pip install 'tritext[loadtest]'`") from missing

mpl.use("Agg")
# What a bar is, and its colour: by who it is, or else by which form of the model it was given.
OURS = {"tritext": ("tritext", "#1f6feb"), "engine": ("no server: the bare engine", "#8b949e")}
FORMS = {
    "torch": ("peer, the checkpoint", "#bf3989"),
    "plain": ("peer, default int8", "#d29922"),
    "ours": ("peer, our int8", "#2da44e"),
}
OTHER = ("peer", "#888888")


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
    colours = [_kind(row)[1] for row in rows]
    bars = axes.barh([row["name"] for row in rows], values, xerr=errors, color=colours, capsize=3)
    axes.bar_label(bars, fmt="%.2f", padding=6)
    axes.set_xlim(0, max(values) * 1.15)  # from nothing, so that lengths compare
    figure.supxlabel("server CPU-ms a text, 16 clients × 1 text (medians, 95 % intervals); less is better", fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(handles=_key(rows), fontsize=8, loc="upper right")
    figure.savefig(file, dpi=120)
    return file


def _kind(row: dict[str, Any]) -> tuple[str, str]:
    return OURS.get(row["peer"]) or FORMS.get(row["form"], OTHER)


def _key(rows: list[dict[str, Any]]) -> list[Patch]:
    return [Patch(color=colour, label=name) for name, colour in dict.fromkeys(map(_kind, rows[::-1]))]


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
