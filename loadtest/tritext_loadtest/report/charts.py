"""Lines and points on two axes: series in, markup out. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from tritext_loadtest.report.svg import Part, element, label, line, picture

WIDTH, HEIGHT = 460.0, 250.0
LEFT, RIGHT, TOP, BOTTOM = 56.0, 20.0, 12.0, 40.0
LEGEND_HEIGHT, LEGEND_WIDTH, LEGEND_COLUMNS = 20.0, 146.0, 3
# The style sheet has so many colours.
COLOURS = 6
TICKS = 5
# Where an axis may end, so that a fifth of it is a short number too.
NICE = (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8)
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Series:
    """Points that belong together, in their order."""

    name: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Axes:
    """Where values stand on a picture: both axes start at 0 and end at a round number.

    Attributes:
        x: The largest value across.
        y: The largest value upwards.
    """

    x: float
    y: float

    def place(self, point: Point) -> Point:
        """Give a point's coordinates."""
        across = LEFT + point[0] / self.x * (WIDTH - LEFT - RIGHT)
        upwards = point[1] / self.y * (HEIGHT - TOP - BOTTOM)
        return min(max(across, LEFT), WIDTH - RIGHT), HEIGHT - BOTTOM - upwards


def draw_lines(name: str, series: Sequence[Series], x: str, y: str, limit: float | None = None) -> Markup:
    """Draw each series as a line.

    Args:
        name: What it is; a word of its own on the page.
        series: At least one that is not empty.
        x: What is across, with its unit.
        y: What is upwards, with its unit.
        limit: Where to draw a limit.
    """
    axes = _axes(series, limit)
    parts = [
        element("polyline", points=_path(axes, one.points), class_=f"line c{i % COLOURS}")
        for i, one in enumerate(series)
        if one.points
    ]
    return _finish(name, series, axes, (x, y), [*parts, *_limit(axes, limit)])


def draw_points(name: str, series: Sequence[Series], x: str, y: str, limit: float | None = None) -> Markup:
    """Draw each series as points; arguments as for lines."""
    axes = _axes(series, limit)
    parts = []
    for i, one in enumerate(series):
        for point in one.points:
            cx, cy = axes.place(point)
            hint = element("title", f"{one.name}: {point[0]:.4g}, {point[1]:.4g}")
            parts.append(element("circle", hint, cx=cx, cy=cy, r=3, class_=f"point c{i % COLOURS}"))
    return _finish(name, series, axes, (x, y), [*parts, *_limit(axes, limit)])


def nice(value: float) -> float:
    """Round up to one of NICE times a power of ten; of nothing, to 1."""
    if not value > 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next((step * power for step in NICE if step * power >= value * (1 - 1e-9)), 10 * power)


def written(value: float) -> str:
    """Write a mark of an axis in few letters: 0.25, 1500, 15k, 2.5M."""
    for least, unit, letter in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if value >= least:
            return f"{value / unit:.3g}{letter}"
    return f"{value:.4g}"


def _axes(series: Sequence[Series], limit: float | None) -> Axes:
    """Choose where axes end; a limit far above everything is left out."""
    points = [point for one in series for point in one.points] or [(1.0, 1.0)]
    highest = max(y for _, y in points)
    if limit is not None and limit <= 3 * highest:
        highest = max(highest, limit)
    return Axes(nice(max(x for x, _ in points)), nice(highest))


def _path(axes: Axes, points: Sequence[Point]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in map(axes.place, points))


def _finish(name: str, series: Sequence[Series], axes: Axes, words: tuple[str, str], parts: Sequence[Part]) -> Markup:
    named = [one.name for one in series]
    said = f"{words[1]} against {words[0]}: " + "; ".join(map(_say, series))
    size = WIDTH, HEIGHT + math.ceil(len(named) / LEGEND_COLUMNS) * LEGEND_HEIGHT
    return picture(name, size, name, said, *_grid(axes), *_words(words), *parts, *_legend(named))


def _limit(axes: Axes, limit: float | None) -> list[Markup]:
    if limit is None or limit > axes.y:
        return []
    return [line(axes.place((0, limit)), axes.place((axes.x, limit)), "limit")]


def _grid(axes: Axes) -> list[Markup]:
    parts = []
    for i in range(TICKS + 1):
        x, y = axes.x * i / TICKS, axes.y * i / TICKS
        parts += [
            line(axes.place((0, y)), axes.place((axes.x, y)), "grid"),
            label(LEFT - 8, axes.place((0, y))[1] + 4, written(y), "end"),
            label(axes.place((x, 0))[0], HEIGHT - BOTTOM + 16, written(x), "middle"),
        ]
    return parts


def _words(words: tuple[str, str]) -> list[Markup]:
    middle = (HEIGHT - BOTTOM + TOP) / 2
    return [
        label((LEFT + WIDTH - RIGHT) / 2, HEIGHT - BOTTOM + 33, words[0], "middle", class_="axis"),
        label(12, middle, words[1], "middle", class_="axis", transform=f"rotate(-90 12 {middle:g})"),
    ]


def _legend(names: Sequence[str]) -> list[Markup]:
    parts = []
    for i, name in enumerate(names):
        x, y = LEFT + i % LEGEND_COLUMNS * LEGEND_WIDTH - 20, HEIGHT + i // LEGEND_COLUMNS * LEGEND_HEIGHT + 8
        parts += [
            element("rect", x=x, y=y - 8, width=14, height=8, class_=f"key c{i % COLOURS}"),
            label(x + 19, y, name, class_="axis"),
        ]
    return parts


def _say(series: Series) -> str:
    if not series.points:
        return f"{series.name} has no points"
    values = [y for _, y in series.points]
    return f"{series.name} from {min(values):.4g} to {max(values):.4g}"
