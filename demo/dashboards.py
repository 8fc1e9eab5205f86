"""What Grafana shows of an endpoint: three dashboards, written into deploy/monitoring/grafana/dashboards.

Usage: python demo/dashboards.py
"""

from pathlib import Path

from dashboard_edge import EDGE
from dashboard_rollout import ROLLOUT
from dashboard_service import SERVICE
from grafana import render

FOLDER = Path(__file__).parents[1] / "deploy" / "monitoring" / "grafana" / "dashboards"
DASHBOARDS = (SERVICE, EDGE, ROLLOUT)


def files() -> dict[Path, str]:
    """What is to be written where."""
    return {FOLDER / f"{dashboard.uid}.json": render(dashboard) for dashboard in DASHBOARDS}


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
