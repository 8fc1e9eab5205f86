"""Grafana's dashboards as data: panels in, the JSON that Grafana provisions out. Pure."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

SCHEMA_VERSION = 39
COLUMNS, HEIGHT = 24, 8
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
Kind = Literal["timeseries", "heatmap", "stat", "state-timeline", "table"]


@dataclass(frozen=True, slots=True)
class Query:
    """One line, or a family of lines, of a panel.

    Attributes:
        expr: PromQL; ``$endpoint``, ``$deployment`` and ``$model`` are regular expressions.
        legend: What a line is called; ``{{label}}`` is that label's value.
    """

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """A picture of some queries.

    Attributes:
        title: Its heading.
        queries: What it shows.
        unit: Grafana's name of a unit: ``s``, ``percentunit``, ``reqps``, ``bytes``, ``short``.
        kind: How it shows it.
        about: What is to be seen, in a sentence or two.
        width: Columns of 24.
        stacked: Whether lines lie on each other.
    """

    title: str
    queries: tuple[Query, ...]
    unit: str = "short"
    kind: Kind = "timeseries"
    about: str = ""
    width: int = 8
    stacked: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A page.

    Attributes:
        uid: Its lasting name, which links hold.
        title: Its heading.
        rows: What is on it, from the top.
        variables: Which of ``endpoint``, ``deployment`` and ``model`` can be chosen.
    """

    uid: str
    title: str
    rows: tuple[Row, ...]
    variables: tuple[str, ...] = ("endpoint", "deployment", "model")

    @property
    def panels(self) -> Iterator[Panel]:
        """Every panel."""
        return (panel for row in self.rows for panel in row.panels)


# Where the values of a variable are looked up.
_LOOK_UP = {
    "endpoint": "label_values(up, endpoint)",
    "deployment": 'label_values(prediction_requests_total{endpoint=~"$endpoint"}, deployment)',
    "model": 'label_values(prediction_requests_total{endpoint=~"$endpoint", deployment=~"$deployment"}, model)',
}


def render(dashboard: Dashboard) -> str:
    """Write a dashboard as Grafana reads it."""
    content = {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "tags": ["tritext"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": False,
        "refresh": "15s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "graphTooltip": 1,  # one cross-hair through all panels
        "templating": {"list": [_source_variable(), *map(_variable, dashboard.variables)]},
        "links": [
            {"type": "dashboards", "tags": ["tritext"], "title": "tritext", "asDropdown": True, "keepTime": True}
        ],
        "annotations": {"list": []},
        "panels": list(_placed(dashboard.rows)),
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _placed(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """Lay panels out: row by row, from the left."""
    number, top = 1, 0
    for row in rows:
        position = {"h": 1, "w": COLUMNS, "x": 0, "y": top}
        yield {"id": number, "type": "row", "title": row.title, "gridPos": position, "collapsed": False, "panels": []}
        number, top, left = number + 1, top + 1, 0
        for panel in row.panels:
            if left + panel.width > COLUMNS:
                left, top = 0, top + HEIGHT
            yield _panel(panel, number, {"h": HEIGHT, "w": panel.width, "x": left, "y": top})
            number, left = number + 1, left + panel.width
        top += HEIGHT


def _panel(panel: Panel, number: int, position: dict[str, int]) -> dict[str, Any]:
    targets = [
        {
            "refId": chr(ord("A") + index),
            "datasource": SOURCE,
            "expr": query.expr,
            "legendFormat": query.legend,
            "format": "heatmap" if panel.kind == "heatmap" else "table" if panel.kind == "table" else "time_series",
            "instant": panel.kind == "table",
        }
        for index, query in enumerate(panel.queries)
    ]
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": SOURCE,
        "gridPos": position,
        "targets": targets,
        **_looks(panel),
    }


def _looks(panel: Panel) -> dict[str, Any]:
    if panel.kind == "heatmap":
        options: dict[str, Any] = {"calculate": False, "yAxis": {"unit": panel.unit}, "color": {"scheme": "Blues"}}
        return {"options": options}
    defaults: dict[str, Any] = {"unit": panel.unit, "custom": {}}
    if panel.kind == "timeseries":
        stacking = {"mode": "normal" if panel.stacked else "none"}
        defaults["custom"] = {"fillOpacity": 30 if panel.stacked else 8, "showPoints": "never", "stacking": stacking}
        if panel.unit != "short":
            defaults["min"] = 0
    looks: dict[str, Any] = {"fieldConfig": {"defaults": defaults, "overrides": []}}
    if panel.kind == "timeseries":
        looks["options"] = {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}}
    return looks


def _source_variable() -> dict[str, Any]:
    return {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"}


def _variable(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": _LOOK_UP[name], "refId": name},
        "refresh": 2,  # whenever the time range changes
        "includeAll": True,
        "multi": True,
        "allValue": ".*",  # also what has no such label
        "current": {"text": "All", "value": "$__all"},
    }
