"""A search as one page that needs nothing else: findings in, HTML with its own pictures out. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from functools import partial
from importlib.resources import files

from markupsafe import Markup, escape

from tritext_loadtest.report.charts import Point, Series, draw_points
from tritext_loadtest.report.svg import element
from tritext_loadtest.tune.halving import Tried, relative
from tritext_loadtest.tune.record import HEAD, rows, sentence
from tritext_loadtest.tune.settings import Setting
from tritext_loadtest.tune.sweep import Findings

UNITS = {
    "max_batch_tokens": "most tokens a call",
    "max_batch_texts": "most texts a call",
    "max_queue_delay_microseconds": "queue delay in µs",
    "cost_call": "reckoned cost of a call in µs",
    "instances": "front processes",
    "threads": "lanes of one of them",
}
COST, LATENCY = "CPU time (usual setting = 1)", "p99 ms"


def groups(findings: Findings) -> dict[str, list[Tried]]:
    """Sort who had a turn into those that a picture tells apart, the chosen one first."""
    verdict = findings.verdict
    winner = verdict.winner if verdict else None
    ran = [one for one in findings.everybody if one.turns]
    most = max((len(one.turns) for one in ran if one is not findings.control), default=0)
    found: dict[str, list[Tried]] = {"chosen": [], "the usual one": [], "others to the end": [], "left out before": []}
    for one in ran:
        late = "others to the end" if len(one.turns) >= most else "left out before"
        found["chosen" if one is winner else "the usual one" if one is findings.control else late].append(one)
    return {name: members for name, members in found.items() if members}


def costs(findings: Findings, read: Callable[[Tried], float]) -> dict[str, list[Point]]:
    """Pair what is read of each setting with its cost, relative to the control's, group by group."""
    control = findings.control
    return {
        group: [(read(one), cost) for one in members if (cost := relative(one, control)) is not None]
        for group, members in groups(findings).items()
    }


def by_knob(findings: Findings) -> dict[str, dict[str, list[Point]]]:
    """Give value and cost, group by group, for each knob that had several values."""
    return {name: costs(findings, partial(_value, name)) for name in _turned(findings)}


def by_latency(findings: Findings) -> dict[str, list[Point]]:
    """Give cost and latency, group by group."""
    found = costs(findings, lambda one: one.figure("p99_ms"))
    return {group: [(cost, latency) for latency, cost in points] for group, points in found.items()}


def _value(name: str, one: Tried) -> float:
    return float(getattr(one.setting, name))


def _turned(findings: Findings) -> list[str]:
    """Name the knobs that had several values."""
    names = [each.name for each in fields(Setting)]
    settings = [one.setting for one in findings.everybody if one.turns]
    return [name for name in names if len({getattr(setting, name) for setting in settings}) > 1]


def to_html(findings: Findings, about: Mapping[str, object], limits: Mapping[str, float]) -> str:
    """Write the page: no script, nothing loaded from elsewhere, light or dark as the reader's system is."""
    load = f"{findings.rate:.0f} texts a second, {about['batch']} a request"
    said = f"{load}, on {about['cores']} cores ({about['processor']})"
    held = bool(findings.verdict and findings.verdict.holds)
    body = element(
        "main",
        element("h1", f"Settings for {about['model']}"),
        element("p", f"{about['date']}: {said}", class_="quiet"),
        element("p", sentence(findings, limits), class_=f"verdict {'passed' if held else 'failed'}"),
        *_interrupted(findings),
        element("div", *_figures(findings, limits.get("p99_ms")), class_="pair"),
        element("h2", "Every setting"),
        element("div", _table(HEAD, rows(findings)), class_="scroll"),
    )
    style = (files("tritext_loadtest.report") / "style.css").read_text(encoding="utf-8")
    head = f'<meta charset="utf-8"><title>{escape(str(about["model"]))}: settings</title><style>{style}</style>'
    return f'<!doctype html>\n<html lang="en">\n<head>{head}</head>\n<body>{body}</body>\n</html>\n'


def _interrupted(findings: Findings) -> list[Markup]:
    return [element("p", "The search was interrupted: what was measured until then.")] if findings.interrupted else []


def _figures(findings: Findings, limit: float | None) -> Iterator[Markup]:
    dashed = "" if limit is None else " Dashed: the limit of p99."
    words = f"A point a setting: down and to the left is better.{dashed}"
    yield _figure("Cost and latency", words, ("cost", limit), by_latency(findings), (COST, LATENCY))
    for name, series in by_knob(findings).items():
        yield _figure(UNITS[name].capitalize(), f"The field {name}.", (name, None), series, (UNITS[name], COST))


def _figure(
    heading: str,
    words: str,
    name_and_limit: tuple[str, float | None],
    groups: Mapping[str, Sequence[Point]],
    axes: tuple[str, str],
) -> Markup:
    name, limit = name_and_limit
    series = [Series(group, tuple(points)) for group, points in groups.items()]
    picture = draw_points(name, series, *axes, limit) if any(one.points for one in series) else Markup("")
    return element("figure", element("h3", heading), picture, element("figcaption", words))


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> Markup:
    titles = element("thead", element("tr", *(element("th", word) for word in head)))
    return element(
        "table", titles, element("tbody", *(element("tr", *(element("td", c) for c in row)) for row in lines))
    )
