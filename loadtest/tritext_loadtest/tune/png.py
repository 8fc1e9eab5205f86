"""A search as a PNG picture. Imports matplotlib."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tritext_loadtest.report.charts import Point
from tritext_loadtest.tune.errors import TuneError
from tritext_loadtest.tune.picture import COST, LATENCY, UNITS, by_knob, by_latency
from tritext_loadtest.tune.sweep import Findings

try:
    import matplotlib as mpl
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
except ImportError as missing:
    raise TuneError(f"{missing}: --png needs `pip install 'tritext[loadtest]'`; --html does without") from missing

mpl.use("Agg")
COLUMNS = 2


def draw(findings: Findings, file: Path, limit: float | None = None) -> None:
    """Draw cost against latency with its limit, and cost by each knob that was turned."""
    pictures = [((COST, LATENCY), by_latency(findings))]
    pictures += [((UNITS[name], COST), points) for name, points in by_knob(findings).items()]
    lines = -(-len(pictures) // COLUMNS)
    figure = Figure(figsize=(5.5 * COLUMNS, 3.6 * lines), layout="constrained")
    places = figure.subplots(lines, COLUMNS, squeeze=False).ravel()
    for axes, (words, series) in zip(places, pictures, strict=False):
        _scatter(axes, series, words)
    if limit is not None and limit <= 3 * places[0].get_ylim()[1]:  # one that is far above says so by its absence
        places[0].axhline(limit, color="#b42318", linestyle="--", linewidth=1, label="the limit of p99")
    if places[0].get_legend_handles_labels()[0]:  # there is none where the search was ended before its first turn
        places[0].legend(fontsize=8)
    for axes in places[len(pictures) :]:
        axes.set_axis_off()
    figure.savefig(file, dpi=120)


def _scatter(axes: Axes, series: Mapping[str, Sequence[Point]], words: tuple[str, str]) -> None:
    for name, points in series.items():
        # Four digits: of costs that differ in the sixteenth, the axis would show them all.
        places = [(float(f"{x:.4g}"), float(f"{y:.4g}")) for x, y in points]
        axes.scatter([x for x, _ in places], [y for _, y in places], label=name, alpha=0.7)
    axes.set_xlabel(words[0])
    axes.set_ylabel(words[1])
    axes.margins(0.12)
