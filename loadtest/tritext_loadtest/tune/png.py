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


def draw(findings: Findings, file: Path) -> None:
    """Draw cost against latency, and cost by each knob that was turned."""
    pictures = [((COST, LATENCY), by_latency(findings))]
    pictures += [((UNITS[name], COST), points) for name, points in by_knob(findings).items()]
    lines = -(-len(pictures) // COLUMNS)
    figure = Figure(figsize=(5.5 * COLUMNS, 3.6 * lines), layout="constrained")
    places = figure.subplots(lines, COLUMNS, squeeze=False).ravel()
    for axes, (words, series) in zip(places, pictures, strict=False):
        _scatter(axes, series, words)
    places[0].legend(fontsize=8)
    for axes in places[len(pictures) :]:
        axes.set_axis_off()
    figure.savefig(file, dpi=120)


def _scatter(axes: Axes, series: Mapping[str, Sequence[Point]], words: tuple[str, str]) -> None:
    for name, points in series.items():
        axes.scatter([x for x, _ in points], [y for _, y in points], label=name, alpha=0.7)
    axes.set_xlabel(words[0])
    axes.set_ylabel(words[1])
    axes.margins(0.12)
