"""Panels of the dashboards without Grafana: what a Prometheus has seen in the last minutes, drawn as one picture.

Usage: python demo/dashboard_picture.py URL PICTURE [--minutes N]
"""

import argparse
import json
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dashboards import DASHBOARDS
from grafana import Panel, Query

# Which panels, by dashboard and title.
CHOSEN = (
    ("tritext-rollout", "Traffic, as it comes"),
    ("tritext-service", "Latency in the front"),
    ("tritext-edge", "Answers by status"),
    ("tritext-service", "Texts in a batch"),
    ("tritext-service", "Labels"),
    ("tritext-rollout", "Instances"),
)
VARIABLES = {"$__rate_interval": "15s", "$endpoint": ".*", "$deployment": ".*", "$model": "sentiment"}
POINTS = 200
UNITS = {"s": "s", "percentunit": "share", "reqps": "requests/s", "percent": "%"}


def series(url: str, query: Query, minutes: float) -> list[dict[str, Any]]:
    """Ask Prometheus how an expression went."""
    text = query.expr
    for variable, value in VARIABLES.items():
        text = text.replace(variable, value)
    end = float(_get(url, "query", query="time()")["result"][1])
    step = max(minutes * 60 / POINTS, 1)
    found: list[dict[str, Any]] = _get(
        url, "query_range", query=text, start=str(end - minutes * 60), end=str(end), step=str(step)
    )["result"]
    return found


def named(legend: str, labels: Mapping[str, str]) -> str:
    """Put labels into a legend."""
    for label, value in labels.items():
        legend = legend.replace("{{" + label + "}}", value)
    return legend


def draw(url: str, panel: Panel, minutes: float, axes: Axes) -> None:
    """Draw a panel."""
    for query in panel.queries:
        for line in series(url, query, minutes):
            times, values = zip(*((float(time), float(value)) for time, value in line["values"]), strict=True)
            begun = times[-1] - minutes * 60
            axes.plot([time - begun for time in times], values, label=named(query.legend, line["metric"]))
    axes.set_title(panel.title, fontsize=10)
    axes.set_ylabel(UNITS.get(panel.unit, ""))
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7, frameon=False)


def main() -> None:
    """Draw the chosen panels."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="a Prometheus, such as http://127.0.0.1:9090")
    parser.add_argument("picture", type=Path, help="what to write: .svg or .png")
    parser.add_argument("--minutes", type=float, default=5.0, help="how far back (default: 5)")
    args = parser.parse_args()
    panels = {(dashboard.uid, panel.title): panel for dashboard in DASHBOARDS for panel in dashboard.panels}
    mpl.rcParams["svg.hashsalt"] = "tritext"
    figure = Figure(figsize=(11, 9), layout="constrained")
    for axes, key in zip(figure.subplots(3, 2).flat, CHOSEN, strict=True):
        draw(args.url, panels[key], args.minutes, axes)
        axes.set_xlabel("seconds")
    figure.savefig(args.picture, dpi=80)


def _get(url: str, path: str, **arguments: str) -> Any:
    with urllib.request.urlopen(f"{url}/api/v1/{path}?{urllib.parse.urlencode(arguments)}", timeout=30) as response:
        return json.load(response)["data"]


if __name__ == "__main__":
    main()
