"""The compose stack's files: what they name, and that Envoy judges a Triton by its canary's label."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.serve.endpoint.isolation.endpoints import APPROVED, deployment
from tritext_serve.canary import Canary
from tritext_serve.endpoint.edge import files
from tritext_serve.endpoint.edge.process import Envoy
from tritext_serve.endpoint.isolation import containers
from tritext_serve.endpoint.isolation.containers import Certified, Ground
from tritext_serve.endpoint.model import Endpoint, Network
from tritext_serve.errors import IsolationError, PlatformError
from tritext_serve.server import free_ports

KEYS = {"primary": "p" * 43, "secondary": "s" * 43}
CANARY = Canary("sentiment", "1", "Are you well?", 1)
CERTIFIED = Certified(CANARY, {"positive": 0.53, 'a "b"\n': 0.47})
BLUE = Endpoint("demo", "disabled", {"blue": 100}, {}, {"blue": deployment("blue")}, APPROVED)
WAIT_SECONDS = 20


def ingress(endpoint: Endpoint = BLUE, subnet: str = "10.60") -> dict[str, Any]:
    texts = containers.ingress(endpoint, KEYS, dict.fromkeys(endpoint.deployments, CERTIFIED), Ground(subnet))
    return {name: json.loads(text) for name, text in texts.items()}


def addresses(listeners: list[dict[str, Any]]) -> list[tuple[str, int]]:
    sockets = [listener["address"]["socket_address"] for listener in listeners]
    return [(socket["address"], socket["port_value"]) for socket in sockets]


@pytest.mark.parametrize(
    ("access", "expected"), [("disabled", []), ("enabled", [("10.60.1.2", 8443)])], ids=["disabled", "enabled"]
)
def test_the_public_listener_exists_where_it_is_to_exist(access: Any, expected: list[tuple[str, int]]) -> None:
    found = ingress(replace(BLUE, public_network_access=access))["lds.json"]["resources"]
    assert addresses(found) == [("10.60.0.2", 8080), *expected]


def test_nothing_else_is_listened_on_but_for_counters() -> None:
    found = ingress()["bootstrap.json"]["static_resources"]["listeners"]
    assert addresses(found) == [("10.60.3.2", 9902), ("10.60.3.2", 8002)]


def test_whom_prometheus_is_told_of_is_who_there_is() -> None:
    both = replace(BLUE, deployments={name: deployment(name) for name in ("blue", "green")})
    for endpoint in (BLUE, both):
        groups = containers.scraped(endpoint)
        told = [group["labels"]["deployment"] for group in groups if group["labels"]["job"] == "triton"]
        assert told == list(endpoint.deployments)
        paths = {f"/metrics/{name}" for name in told}
        (listener,) = ingress(endpoint)["bootstrap.json"]["static_resources"]["listeners"][1:]
        manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
        routes = manager["route_config"]["virtual_hosts"][0]["routes"]
        assert {route["match"]["path"] for route in routes} == {"/targets", "/metrics/expected", *paths}


def test_the_certificates_shares_are_what_prometheus_reads() -> None:
    (family,) = text_string_to_metric_families(containers.expected({"blue": CERTIFIED}))
    assert {sample.labels["label"]: sample.value for sample in family.samples} == CERTIFIED.shares
    assert {(sample.labels["deployment"], sample.labels["model"]) for sample in family.samples} == {
        ("blue", "sentiment")
    }


def test_both_protocols_are_judged_by_an_inference() -> None:
    checks = [cluster["health_checks"] for cluster in ingress()["cds.json"]["resources"]]
    assert checks == [[containers.canary_check(CANARY)]] * 2
    assert containers.canary_check(CANARY)["http_health_check"]["path"] == "/v2/models/sentiment/versions/1/infer"


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


class Triton(BaseHTTPRequestHandler):
    """One that gives the canary whatever label the test says."""

    protocol_version = "HTTP/1.1"
    label = 1

    def do_POST(self) -> None:
        """Answer an inference."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert asked["inputs"][0]["data"] == [CANARY.text]
        output = {"name": "label_id", "datatype": "INT32", "shape": [1, 1], "data": [type(self).label]}
        body = json.dumps({"model_name": "sentiment", "outputs": [output]}, separators=(",", ":")).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def triton() -> Iterator[ThreadingHTTPServer]:
    """It speaks where the files say that blue's Triton is: every 127.x is this machine."""
    try:
        server = ThreadingHTTPServer((Ground("127.60").triton("blue"), 0), Triton)
    except OSError as error:
        pytest.skip(f"MISSING: no second loopback address: {error}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_who_gives_another_label_gets_no_requests(triton: ThreadingHTTPServer, tmp_path: Path) -> None:
    texts = containers.ingress(BLUE, KEYS, {"blue": CERTIFIED}, Ground("127.60"))
    ports = dict(zip(("8080", "9902", "8002"), map(str, free_ports(3)), strict=True))
    for name, text in texts.items():
        text = text.replace(containers.SOCKET_IN_TMP, "admin.sock").replace(containers.FOLDER, str(tmp_path))  # noqa: PLW2901
        text = text.replace('"port_value": 8000', f'"port_value": {triton.server_port}')  # noqa: PLW2901
        for usual, free in ports.items():
            text = text.replace(f'"port_value": {usual}', f'"port_value": {free}')  # noqa: PLW2901
        texts[name] = text
    files.write(tmp_path, texts)
    try:
        edge = Envoy(tmp_path)
    except PlatformError as error:
        pytest.skip(f"MISSING: {error}")
    with edge:
        for label, healthy in ((1, 1), (0, 0), (1, 1)):
            Triton.label = label
            assert _await(edge, healthy) == {"cluster.blue.membership_healthy": healthy}


def _await(edge: Envoy, healthy: int) -> dict[str, int]:
    deadline = time.monotonic() + WAIT_SECONDS
    found = edge.stats("^cluster.blue.membership_healthy$")
    while list(found.values()) != [healthy] and time.monotonic() < deadline:
        time.sleep(0.2)
        found = edge.stats("^cluster.blue.membership_healthy$")
    return found
