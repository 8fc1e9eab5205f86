"""Every PromQL expression that the monitoring files hold, and the metrics that one names."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import promql_parser
import yaml

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "deploy" / "monitoring"
DASHBOARDS = sorted((MONITORING / "grafana" / "dashboards").glob("*.json"))
# What Grafana puts in place of its variables, where everything is chosen.
CHOSEN = {"$__rate_interval": "1m", "$__range": "1h", "$endpoint": ".*", "$deployment": ".*", "$model": ".*"}


@dataclass(frozen=True, slots=True)
class Expression:
    """One expression.

    Attributes:
        where: File and alert, rule or panel.
        text: PromQL, with Grafana's variables chosen.
        record: The name that a recording rule gives it.
        of_panel: Whether somebody looks at it.
    """

    where: str
    text: str
    record: str = ""
    of_panel: bool = False

    @property
    def metrics(self) -> set[str]:
        """The names of the metrics that it reads."""
        return names(self.text)


def names(text: str) -> set[str]:
    """Give the names of the metrics that an expression reads.

    Raises:
        ValueError: it is not PromQL.
    """
    found: set[str] = set()

    def visit(node: Any) -> bool:
        if isinstance(node, promql_parser.VectorSelector):
            found.add(str(node.name))
        return True

    promql_parser.walk(promql_parser.parse(text), visit)
    return found


def expressions() -> list[Expression]:
    """List them all."""
    return [*_of_rules("rules.yml"), *_of_rules("alerts.yml"), *_of_dashboards()]


def recorded() -> set[str]:
    """The names that recording rules make."""
    return {each.record for each in expressions() if each.record}


def panels(path: Path) -> list[dict[str, Any]]:
    """A dashboard's panels, without its rows' headings."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return [panel for panel in content["panels"] if panel["type"] != "row"]


def _of_rules(name: str) -> list[Expression]:
    groups = yaml.safe_load((MONITORING / name).read_text(encoding="utf-8"))["groups"]
    return [
        Expression(f"{name}: {rule.get('alert') or rule['record']}", rule["expr"], rule.get("record", ""))
        for group in groups
        for rule in group["rules"]
    ]


def _of_dashboards() -> list[Expression]:
    return [
        Expression(f"{path.name}: {panel['title']}", _chosen(target["expr"]), of_panel=True)
        for path in DASHBOARDS
        for panel in panels(path)
        for target in panel["targets"]
    ]


def _chosen(text: str) -> str:
    for variable, value in CHOSEN.items():
        text = text.replace(variable, value)
    return text
