"""Reliability, agreement and candidates as pictures: figures in, markup out. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from tritext_export.certificate import Bin
from tritext_export.certificate.wording import decimal, percent
from tritext_export.report.svg import element, label, line, picture, squeezed
from tritext_export.trial import Trial

_QUARTERS = (0.0, 0.25, 0.5, 0.75, 1.0)
# Height of the strip below a reliability diagram that shows how full the bins are.
_STRIP = 46.0


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the agreement chart."""

    name: str
    texts: int
    agreement: float


def draw_reliability(
    name: str, title: str, bins: Sequence[Bin], error: float | None, *, several: bool = False
) -> Markup:
    """Draw accuracy against confidence, and under it how many texts each bin holds.

    Args:
        name: An identifier of its own on the page.
        title: What it is.
        bins: Fifteen of them.
        error: The expected calibration error.
        several: Whether the bins hold pairs of a text and a label.
    """
    left, top, side = 46.0, 10.0, 300.0
    counted = "pairs of text and label" if several else "texts"
    axis = "probability of a label; grey: how many" if several else "top probability; grey: how many texts"
    floor = top + side
    most = max((b.texts for b in bins), default=0) or 1
    parts = [line((left, floor - tick * side), (left + side, floor - tick * side), "grid") for tick in _QUARTERS]
    parts += [label(left - 8, floor - tick * side + 4, f"{tick:g}", "end") for tick in _QUARTERS]
    parts += [label(left + tick * side, floor + _STRIP + 26, f"{tick:g}", "middle") for tick in _QUARTERS]
    for b in bins:
        parts += _bar(b, counted, (left + b.lower * side + 1, floor), side, b.texts / most * _STRIP)
    parts += [
        line((left, floor), (left + side, top), "diagonal"),
        label(left + side / 2, floor + _STRIP + 44, axis, "middle", class_="axis"),
        element(
            "text",
            "accuracy",
            x=12,
            y=top + side / 2,
            text_anchor="middle",
            class_="axis",
            transform=f"rotate(-90 12 {top + side / 2:g})",
        ),
    ]
    said = "not measurable" if error is None else decimal(error)
    return picture(name, (left + side + 12, floor + _STRIP + 52), title, f"Calibration error {said}.", *parts)


def draw_agreement(rows: Sequence[Row], limit: float) -> Markup:
    """Draw the share of unchanged labels, a dot a row, on an axis cut off below."""
    left, width, height, top = 168.0, 230.0, 26.0, 26.0
    lowest = min(limit, *(row.agreement for row in rows))
    start = max(0.0, min(0.99, math.floor(lowest * 100 - 0.2) / 100))
    floor = top + height * len(rows)

    def place(share: float) -> float:
        return left + (share - start) / (1 - start) * width

    ticks = [start + (1 - start) * i / 2 for i in range(3)]
    parts = [line((place(t), top - 4), (place(t), floor), "grid") for t in ticks]
    parts += [label(place(t), floor + 18, percent(t), "middle") for t in ticks]
    parts += [
        line((place(limit), top - 4), (place(limit), floor), "limit"),
        label(place(limit), top - 10, f"limit {percent(limit)}", "end" if limit > 0.5 else "start", class_="axis"),
    ]
    for i, row in enumerate(rows):
        y = top + (i + 0.5) * height
        parts += [
            label(left - 14, y + 4, f"{row.name} · {row.texts:,}", "end"),
            line((left, y), (left + width, y), "grid"),
            element("circle", cx=place(row.agreement), cy=y, r=6, class_="dot"),
            label(left + width + 14, y + 4, percent(row.agreement)),
        ]
    described = "; ".join(f"{row.name}: {percent(row.agreement)}" for row in rows)
    return picture(
        "agreement", (left + width + 76, floor + 26), "Label agreement by length and by batch size", described, *parts
    )


def draw_candidates(trials: Sequence[Trial]) -> Markup:
    """Draw what each candidate costs and how large it is, the cheapest first, those without a time last."""
    ordered = sorted(trials, key=lambda t: (t.milliseconds is None, t.milliseconds or 0, t.bytes))
    names, width, gap, height, top = 236.0, 150.0, 74.0, 30.0, 30.0
    columns = names, names + width + gap
    slowest = max((t.milliseconds or 0 for t in ordered), default=0) or 1
    largest = max((t.bytes for t in ordered), default=0) or 1
    parts = [
        label(columns[0], 16, "ms a text", class_="axis"),
        label(columns[1], 16, "size in MB", class_="axis"),
    ]
    for i, trial in enumerate(ordered):
        y = top + (i + 0.5) * height
        cost = "not measured" if trial.milliseconds is None else f"{trial.milliseconds:.2f}"
        mark = "✓" if trial.passed else "✗"
        kind = "chosen" if trial.chosen else ""
        parts += [
            label(names - 36, y + 5, squeezed(trial.name, 24), "end", class_=kind),
            label(names - 22, y + 5, mark, "middle", class_="yes" if trial.passed else "no"),
            *_extent(trial, columns[0], y, (trial.milliseconds or 0) / slowest * width, cost),
            *_extent(trial, columns[1], y, trial.bytes / largest * width, f"{trial.bytes / 1e6:.1f}"),
        ]
    described = "; ".join(_said(trial) for trial in ordered)
    size = columns[1] + width + gap, top + height * len(ordered) + 6
    return picture("candidates", size, "Cost and size of each candidate", described, *parts)


def _extent(trial: Trial, x: float, y: float, length: float, words: str) -> list[Markup]:
    kind = "bar" if trial.passed else "lost"
    strong = {"class_": f"{kind} published"} if trial.chosen else {"class_": kind}
    number = label(x + length + 8, y + 5, words, class_="chosen" if trial.chosen else "")
    return [element("rect", x=x, y=y - 9, width=length, height=18, **strong), number]


def _said(trial: Trial) -> str:
    cost = "not measured" if trial.milliseconds is None else f"{trial.milliseconds:.2f} ms a text"
    verdict = "published" if trial.chosen else "passed" if trial.passed else "refused"
    return f"{trial.name}: {cost}, {trial.bytes / 1e6:.1f} MB, {verdict}"


def _bar(b: Bin, counted: str, place: tuple[float, float], side: float, share: float) -> list[Markup]:
    """Draw one bin: its accuracy, its confidence, and below the floor how full it is."""
    if b.accuracy is None or b.confidence is None:
        return []
    x, floor = place
    width = (b.upper - b.lower) * side - 2
    height, share = max(b.accuracy * side, 1.0), max(share, 1.0)
    words = f"{b.texts:,} {counted}, mean confidence {decimal(b.confidence)}, accuracy {decimal(b.accuracy)}"
    hint = element("title", words)
    return [
        element("rect", hint, x=x, y=floor - height, width=width, height=height, class_="bar"),
        line((x, floor - b.confidence * side), (x + width, floor - b.confidence * side), "mark"),
        element("rect", x=x, y=floor + _STRIP + 8 - share, width=width, height=share, class_="muted"),
    ]
