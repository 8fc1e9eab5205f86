"""Rules, alerts and dashboards as files: they parse, they name what the others make, and each is tested."""

import re
import shutil
from pathlib import Path

import promql_parser
import pytest
import yaml

from dashboards import files
from tests.deploy.engine import run
from tests.monitoring.expressions import DASHBOARDS, MONITORING, Expression, expressions, names, panels, recorded

ALL = expressions()


@pytest.mark.parametrize("expression", ALL, ids=lambda each: each.where)
def test_it_is_promql_and_names_no_rule_that_is_not_there(expression: Expression) -> None:
    assert expression.metrics
    assert {name for name in expression.metrics if ":" in name} <= recorded()
    assert "$" not in expression.text


def test_a_name_is_found_wherever_it_stands() -> None:
    text = 'sum by (le) (rate(a_bucket{b="c"}[5m])) / on (d) group_left () e:f > 1 unless (time() - g offset 5m) == 0'
    assert names(text) == {"a_bucket", "e:f", "g"}


@pytest.mark.parametrize("text", ["", "sum(", "rate(a)[5m", "a / on b", "histogram_quantil(0.9, a)"])
def test_what_is_no_promql_is_found(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        promql_parser.parse(text)


def test_every_rule_has_a_case_with_a_number() -> None:
    cases = yaml.safe_load((MONITORING / "rules.test.yml").read_text(encoding="utf-8"))["tests"]
    shown = {name for case in cases for each in case["promql_expr_test"] for name in names(each["expr"])}
    assert recorded() == shown


def test_every_rule_is_read_by_an_alert_or_a_panel() -> None:
    assert recorded() <= {name for each in ALL for name in each.metrics}


def test_promtool_computes_those_numbers() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("MISSING: no promtool: install prometheus (Debian)")
    run([promtool, "test", "rules", str(MONITORING / "rules.test.yml")], 120)


def test_every_alert_says_how_bad_it_is_and_what_to_do() -> None:
    groups = yaml.safe_load((MONITORING / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    for alert in (rule for group in groups for rule in group["rules"]):
        assert alert["labels"]["severity"] in ("page", "ticket"), alert["alert"]
        assert set(alert["annotations"]) == {"summary", "action"}, alert["alert"]


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.name)
def test_a_dashboard_is_what_its_source_makes(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == files()[path]


def test_no_dashboard_is_missing() -> None:
    assert set(DASHBOARDS) == set(files())
    assert len(DASHBOARDS) == 3


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.name)
def test_panels_lie_beside_each_other(path: Path) -> None:
    places = [panel["gridPos"] for panel in panels(path)]
    cells = [(x, y) for p in places for x in range(p["x"], p["x"] + p["w"]) for y in range(p["y"], p["y"] + p["h"])]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert all(panel["targets"] for panel in panels(path))


def test_grafana_is_told_of_the_dashboards_and_of_prometheus() -> None:
    provisioning = MONITORING / "grafana" / "provisioning"
    (provider,) = yaml.safe_load((provisioning / "dashboards/tritext.yml").read_text(encoding="utf-8"))["providers"]
    assert provider["options"]["path"] == "/var/lib/grafana/dashboards"
    (source,) = yaml.safe_load((provisioning / "datasources/prometheus.yml").read_text(encoding="utf-8"))["datasources"]
    assert (source["type"], source["url"]) == ("prometheus", "http://prometheus:9090")
    interval = re.search(r"scrape_interval: (\w+)", (MONITORING / "prometheus.yml").read_text(encoding="utf-8"))
    assert interval is not None
    assert source["jsonData"]["timeInterval"] == interval[1]
