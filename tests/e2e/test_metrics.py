"""Every metric that a rule, an alert or a panel names is exported by a real endpoint, and every expression works.

One endpoint with two deployments, mirrored, one of whose Tritons is killed once, and a real Prometheus that scrapes it
by the supervisor's own list of targets.
"""

import json
import socket
import time
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tests.monitoring.expressions import Expression, expressions, recorded
from tests.monitoring.live import Watched, wait_until, watched

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
ALL = expressions()
TEXTS = [f"A film with {count} jokes, and I liked {word} of them." for count in range(20) for word in ("all", "none")]
REFUSED = 7
GAP_SECONDS = 30
# What has happened last: where these were scraped, so was everything before.
SEEN = (
    "tritext_restarts_total",
    "tritext_mirror_compared_total",
    "envoy_tritext_edge_requests{code='401'}",
    "envoy_tritext_edge_requests{flags='DC'}",
)
# What this endpoint cannot export, and why.
ABSENT = {
    "nv_gpu_utilization": "there is no GPU",
    "nv_gpu_memory_used_bytes": "there is no GPU",
    "nv_gpu_memory_total_bytes": "there is no GPU",
    "instance:gpu_memory_used:ratio": "there is no GPU",
    "tritext_mirror_disagreements_total": "both deployments serve the same model, so that no pair of labels differs",
}


@pytest.fixture(scope="module")
def endpoint(model_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with watched(model_repository, tmp_path_factory.mktemp("watched")) as running:
        running.command("mirror", "green=50")
        for text in TEXTS:
            assert running.ask(json.dumps({"text": text}).encode()) == 200
        assert running.ask(json.dumps({"text": TEXTS}).encode(), azureml_model_deployment="green") == 200
        for _ in range(REFUSED):
            assert running.ask(b"{}", authorization="Bearer wrong") == 401
        break_off(running)
        kill_triton(running, "green")
        settle(running)
        yield running


def break_off(running: Watched) -> None:
    """Go away in the middle of a request: the one response flag of Envoy's that does not depend on who is quicker."""
    where = urllib.parse.urlsplit(running.url)
    head = f"POST /predict HTTP/1.1\r\nHost: {where.netloc}\r\nAuthorization: Bearer {running.key}\r\n"
    with socket.create_connection((where.hostname or "", where.port or 0), timeout=30) as connection:
        connection.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{".encode())


def kill_triton(running: Watched, deployment: str) -> None:
    """Let a Triton die, so that there is a restart to count."""
    servers = [p for p in psutil.process_iter(["cmdline"]) if str(metrics_port(running, deployment)) in words(p)]
    assert servers
    for server in servers:
        server.kill()


def words(process: psutil.Process) -> str:
    """A process's command line."""
    return " ".join(process.info["cmdline"] or ())


def metrics_port(running: Watched, deployment: str) -> str:
    """The port that one deployment's Triton was given for its metrics, as its flag."""
    groups = json.loads((running.folder / "targets.json").read_text(encoding="utf-8"))
    (port,) = [g["targets"][0].rpartition(":")[2] for g in groups if g["labels"].get("deployment") == deployment]
    return f"--metrics-port={port}"


def settle(running: Watched) -> None:
    """Wait until everything that has happened was scraped three times, and the rules were computed from that."""
    query = running.prometheus.number
    wait_until(lambda: query("sum(tritext_restarts_total)") >= 1)
    for series in SEEN:
        wait_until(lambda series=series: query(f"max(count_over_time({series}[1m]))") >= 3)  # type: ignore[misc]
    wait_until(lambda: query('count(up{job="triton"} == 1)') == 2)
    wait_until(lambda: recorded() - running.prometheus.names() <= set(ABSENT))


def missing(read: Iterable[Expression], exported: set[str]) -> dict[str, str]:
    """The metrics that nobody exports, each with an expression that reads it."""
    return {name: each.where for each in read for name in each.metrics if name not in exported | set(ABSENT)}


def test_every_metric_that_is_read_is_exported(endpoint: Watched) -> None:
    exported = endpoint.prometheus.names()
    assert missing(ALL, exported) == {}
    assert {name for name in ABSENT if name in exported} == set()


@pytest.mark.parametrize("expression", ALL[:: len(ALL) // 12], ids=lambda each: each.where)
def test_a_misspelt_metric_would_be_found(endpoint: Watched, expression: Expression) -> None:
    name = max(expression.metrics, key=len)
    wrong = replace(expression, text=expression.text.replace(name, name[:-1]))
    assert missing([wrong], endpoint.prometheus.names()) == {name[:-1]: expression.where}


def shows(running: Watched, each: Expression) -> bool:
    """Whether a panel has a value, at once or soon: a scrape that a busy machine answers too late leaves a gap."""
    deadline = time.monotonic() + (0 if each.metrics & set(ABSENT) else GAP_SECONDS)
    while not (found := bool(running.prometheus.query(each.text))) and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


def soon(look: Callable[[], object], wanted: object) -> object:
    """What is seen, at once or soon, for the same reason."""
    deadline = time.monotonic() + GAP_SECONDS
    while (seen := look()) != wanted and time.monotonic() < deadline:
        time.sleep(0.2)
    return seen


def test_every_expression_can_be_evaluated_and_every_panel_shows_something(endpoint: Watched) -> None:
    for each in ALL:
        endpoint.prometheus.query(each.text)
    empty = {each.where for each in ALL if each.of_panel and not shows(endpoint, each)}
    assert empty == {each.where for each in ALL if each.of_panel and each.metrics & set(ABSENT)}


def test_every_rule_has_been_recorded(endpoint: Watched) -> None:
    health = {
        rule["name"]: rule.get("lastError", "")
        for group in endpoint.prometheus.api("rules")["groups"]
        for rule in group["rules"]
    }
    assert {name: error for name, error in health.items() if error} == {}
    assert recorded() - endpoint.prometheus.names() == set(ABSENT) & recorded()


def test_the_replaced_services_names_are_there(endpoint: Watched) -> None:
    histograms = {f"{name}_{part}" for name in ("prediction_duration_seconds", "sentiment_score") for part in PARTS}
    assert histograms | {"prediction_requests_total"} <= endpoint.prometheus.names()


PARTS = ("bucket", "sum", "count")


def test_blue_and_green_are_told_apart(endpoint: Watched) -> None:
    def told() -> set[tuple[str, str]]:
        series = endpoint.prometheus.query("count by (endpoint, deployment) (prediction_requests_total)")
        return {(each["metric"]["endpoint"], each["metric"]["deployment"]) for each in series}

    wanted = {("watched", "blue"), ("watched", "green")}
    assert soon(told, wanted) == wanted


def test_the_edge_counts_what_clients_got(endpoint: Watched) -> None:
    wanted = {
        'code="401"': REFUSED,
        'code="200", deployment="blue", route=~"predict.*"': len(TEXTS),
        'code="200", deployment="green"': 1,
    }

    def told() -> dict[str, float]:
        return {which: endpoint.prometheus.number(f"sum(envoy_tritext_edge_requests{{{which}}})") for which in wanted}

    assert soon(told, wanted) == wanted


def test_a_killed_triton_is_a_restart_with_its_reason(endpoint: Watched) -> None:
    wait_until(lambda: endpoint.prometheus.number('sum(tritext_restarts_total{deployment="green"})') >= 1)
    assert endpoint.prometheus.number('sum(tritext_restarts_total{deployment="blue"})') == 0


def test_the_shares_that_labels_should_have_are_those_of_the_certificate(endpoint: Watched) -> None:
    def told() -> list[str]:
        return sorted(each["metric"]["label"] for each in endpoint.prometheus.query(shares))

    shares = 'tritext_expected_label_share{deployment="blue", model="sentiment"}'
    assert soon(told, ["negative", "positive"]) == ["negative", "positive"]
    wait_until(lambda: endpoint.prometheus.number(f"sum({shares})") == pytest.approx(1))
    drift = endpoint.prometheus.number('deployment:label_distance:tv1h{deployment="blue", model="sentiment"}')
    assert 0 <= drift <= 1
