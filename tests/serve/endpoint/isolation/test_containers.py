"""The compose stack's files: what they name, and what a real Envoy makes of them."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.serve.endpoint.isolation.endpoints import APPROVED, deployment
from tritext_serve.endpoint.edge import files
from tritext_serve.endpoint.edge.process import Envoy
from tritext_serve.endpoint.isolation import containers
from tritext_serve.endpoint.isolation.containers import Ground
from tritext_serve.endpoint.model import Endpoint, Network
from tritext_serve.endpoint.watch.watcher import HEALTH_PORT
from tritext_serve.errors import IsolationError, PlatformError
from tritext_serve.ports import steady_ports

KEYS = {"primary": "p" * 43, "secondary": "s" * 43}
BLUE = Endpoint("demo", "disabled", {"blue": 100}, {}, {"blue": deployment("blue")}, APPROVED)
WAIT_SECONDS = 60


def ingress(endpoint: Endpoint = BLUE, subnet: str = "10.60") -> dict[str, Any]:
    texts = containers.ingress(endpoint, KEYS, Ground(subnet))
    return {name: json.loads(text) for name, text in texts.items()}


def addresses(listeners: list[dict[str, Any]]) -> list[tuple[str, int]]:
    sockets = [each["address"]["socket_address"] for each in listeners if "address" in each]  # others are within Envoy
    return [(socket["address"], socket["port_value"]) for socket in sockets]


@pytest.mark.parametrize(
    ("access", "expected"), [("disabled", []), ("enabled", [("10.60.1.2", 8443)])], ids=["disabled", "enabled"]
)
def test_the_public_listener_exists_where_it_is_to_exist(access: Any, expected: list[tuple[str, int]]) -> None:
    found = ingress(replace(BLUE, public_network_access=access))["lds.json"]["resources"]
    assert addresses(found) == [("10.60.0.2", 8080), *expected]


def test_nothing_else_is_listened_on_but_for_counters() -> None:
    found = ingress()["bootstrap.json"]["static_resources"]["listeners"]
    assert addresses(found) == [("10.60.3.2", 9902), ("10.60.3.2", 8002), ("127.0.0.1", 9903)]


def test_whom_prometheus_is_told_of_is_who_there_is() -> None:
    both = replace(BLUE, deployments={name: deployment(name) for name in ("blue", "green")})
    for endpoint in (BLUE, both):
        groups = containers.scraped(endpoint)
        told = [group["labels"]["deployment"] for group in groups if group["labels"]["job"] == "triton"]
        watched = [group["labels"]["instance"] for group in groups if group["labels"]["job"] == "supervisor"]
        assert told == watched == list(endpoint.deployments)
        here = {g["labels"]["__metrics_path__"] for g in groups if g["targets"] == ["ingress:8002"]}
        (table,) = ingress(endpoint)["metrics.json"]["resources"]
        assert {route["match"]["path"] for route in table["virtual_hosts"][0]["routes"]} == {"/targets", *here}


def test_what_no_watcher_knows_is_told_beside_them() -> None:
    families = text_string_to_metric_families(containers.standing(replace(BLUE, mirror_traffic={"blue": 10}), 2))
    assert {sample.name: (sample.labels, sample.value) for family in families for sample in family.samples} == {
        "tritext_traffic_share": ({"deployment": "blue"}, 100),
        "tritext_mirror_share": ({"deployment": "blue"}, 10),
        "tritext_keys": ({}, 2),
    }


def test_both_protocols_are_judged_by_the_watcher() -> None:
    clusters = ingress()["cds.json"]["resources"]
    assert len(clusters) == 2
    for cluster in clusters:
        (check,) = cluster["health_checks"]
        assert check["http_health_check"] == {"path": "/health/blue/0"}
        (place,) = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
        assert place["endpoint"]["health_check_config"]["port_value"] == HEALTH_PORT == containers.HEALTH_PORT


@pytest.mark.parametrize(
    ("endpoint", "words"),
    [
        (replace(BLUE, deployments={"red": deployment("red")}), "deployment red: the compose files have the services"),
        (replace(BLUE, deployments={"blue": replace(deployment("blue"), instance_count=2)}), "instance_count 2"),
    ],
    ids=["another", "two"],
)
def test_what_the_compose_files_do_not_have_is_refused(endpoint: Endpoint, words: str) -> None:
    with pytest.raises(IsolationError, match=words):
        ingress(endpoint)


def test_the_whole_internet_is_refused_since_the_networks_are_internal() -> None:
    free = replace(BLUE, network=Network("allow_internet_outbound"))
    with pytest.raises(IsolationError, match="write allow_only_approved_outbound"):
        containers.way_out(free, Ground())


@pytest.mark.parametrize("endpoint", [replace(BLUE, network=Network()), BLUE], ids=["unsaid", "names"])
def test_the_egress_has_a_doorway_for_whom_something_is_allowed(endpoint: Endpoint) -> None:
    found = json.loads(containers.way_out(endpoint, Ground())["egress.json"])["static_resources"]["listeners"]
    doors = {address for address, _ in addresses(found)} - {"10.60.3.3"}
    assert doors == ({"10.60.16.3"} if endpoint.network.outbound_rules else set())


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[tuple[Envoy, dict[str, int]]]:
    """An Envoy on the ingress' files, with free ports in place of the usual ones: every 127.x is this machine."""
    usual = (containers.PRIVATE_PORT, containers.STATS_PORT, containers.METRICS_PORT, containers.DRAIN_PORT)
    ports = dict(zip(usual, steady_ports(len(usual)), strict=True))
    files.write(tmp_path, moved(BLUE, ports, tmp_path))
    try:
        envoy = Envoy(tmp_path)
    except PlatformError as error:
        pytest.skip(f"MISSING: {error}")
    with envoy:
        yield envoy, {str(name): port for name, port in ports.items()}


def moved(endpoint: Endpoint, ports: Mapping[int, int], folder: Path) -> dict[str, str]:
    """The ingress' files for another folder and other ports."""
    texts = containers.ingress(endpoint, KEYS, Ground("127.60"))
    for name, text in texts.items():
        text = text.replace(containers.SOCKET_IN_TMP, "admin.sock").replace(containers.FOLDER, str(folder))  # noqa: PLW2901
        for former, free in ports.items():
            text = text.replace(f'"port_value": {former}', f'"port_value": {free}')  # noqa: PLW2901
        texts[name] = text
    return texts


def ask(method: str, url: str) -> tuple[int, str]:
    """Ask, whatever the answer."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=10) as answer:
            return int(answer.status), answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, ""


def test_traffic_that_shifts_is_told_without_a_restart(edge: tuple[Envoy, dict[str, int]]) -> None:
    envoy, ports = edge
    page = f"http://127.60.3.2:{ports[str(containers.METRICS_PORT)]}/metrics/endpoint"
    assert 'tritext_traffic_share{deployment="blue"} 100' in ask("GET", page)[1]
    texts = moved(
        replace(BLUE, traffic={"blue": 0}), {int(name): port for name, port in ports.items()}, envoy.directory
    )
    files.replace(envoy.directory / containers.TOLD, texts[containers.TOLD])
    deadline = time.monotonic() + WAIT_SECONDS
    while 'tritext_traffic_share{deployment="blue"} 0' not in ask("GET", page)[1]:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_the_way_in_for_its_start_script_leads_to_three_pages(edge: tuple[Envoy, dict[str, int]]) -> None:
    _, ports = edge
    drain = f"http://127.0.0.1:{ports[str(containers.DRAIN_PORT)]}"
    for method, path in (("GET", "/config_dump"), ("POST", "/quitquitquit"), ("GET", "/drain_listeners"), ("GET", "/")):
        assert ask(method, f"{drain}{path}")[0] == 404
    assert ask("GET", f"{drain}/stats?filter=downstream_rq_active")[0] == 200
    assert ask("POST", f"{drain}/healthcheck/fail")[0] == 200
    assert ask("POST", f"{drain}/drain_listeners?graceful")[0] == 200


def test_the_start_script_names_what_the_files_have() -> None:
    script = (Path(__file__).parents[4] / "deploy/docker/start-envoy.sh").read_text(encoding="utf-8")
    assert f"/dev/tcp/127.0.0.1/{containers.DRAIN_PORT}" in script
