"""Where the edge and Prometheus ask."""

import http.client
import json
import socket
import struct
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from tritext_serve.endpoint.supervisor.health import Health, HealthServer
from tritext_serve.endpoint.supervisor.metrics import Metrics, Standing
from tritext_serve.endpoint.supervisor.state import Phase, Reason

INSTANCES = {
    ("blue", 0): Health(well=True, state="serving"),
    ("blue", 1): Health(well=False, state="ill", reason="oom: the stub has died"),
}
STANDING = Standing(
    phases={("blue", 0): Phase.SERVING},
    well={"blue": 1, "green": 0},
    traffic={"blue": 100, "green": 0},
    mirror={"green": 10},
    keys=2,
    expected={("blue", "sentiment", "negative"): 0.53},
    memory_bytes={"blue": 355_000_000},
)


@pytest.fixture(scope="module")
def metrics() -> Metrics:
    """Metrics of an endpoint that stands so."""
    return Metrics(lambda: STANDING)


@pytest.fixture(scope="module")
def server(metrics: Metrics) -> Iterator[HealthServer]:
    """A server that knows two instances."""
    running = HealthServer(lambda name, number: INSTANCES.get((name, number)), metrics.text)
    yield running
    running.close()


def get(server: HealthServer, path: str, host: str = "") -> tuple[int, str]:
    """Ask it."""
    headers = {"Host": host} if host else {}
    request = urllib.request.Request(f"http://{server.host}:{server.port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_a_well_instance_is_200_and_an_ill_one_503_with_the_reason(server: HealthServer) -> None:
    assert get(server, "/health/blue/0") == (200, '{"state": "serving", "reason": ""}\n')
    status, body = get(server, "/health/blue/1")
    assert (status, json.loads(body)) == (503, {"state": "ill", "reason": "oom: the stub has died"})


def test_the_number_may_come_as_the_host(server: HealthServer) -> None:
    assert get(server, "/health/blue", "0.blue")[0] == 200
    assert get(server, "/health/blue", "1.blue:8000")[0] == 503
    assert get(server, "/health/blue", "2.blue")[0] == 404


@pytest.mark.parametrize(
    "path",
    ["/", "/health/blue", "/health/red/0", "/health/blue/2", "/health/blue/x", "/health/blue/0/"],
)
def test_whom_it_does_not_know_is_404(server: HealthServer, path: str) -> None:
    assert get(server, path)[0] == 404


def test_who_hangs_up_or_meets_a_mistake_prints_nothing(
    server: HealthServer, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_connection((server.host, server.port)) as asking:
        asking.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, not an end
        asking.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n")
    broken = HealthServer(lambda name, number: None, lambda: bytes(1 // 0))
    with pytest.raises(http.client.RemoteDisconnected):
        get(broken, "/metrics")
    assert get(broken, "/health")[0] == 200
    broken.close()
    assert capsys.readouterr().err == ""
    assert "failed: ZeroDivisionError" in caplog.text


def test_what_may_fail_is_counted_from_nought(metrics: Metrics) -> None:
    """Prometheus sees no increase in the first sample of a series, and the first wrong answer is an alert."""
    metrics.expect("red")
    lines = metrics.text().decode().splitlines()
    for reason in ("wrong_answer", "oom", "hung", "died"):
        assert f'tritext_canary_failures_total{{deployment="red",reason="{reason}"}} 0.0' in lines
        assert f'tritext_restarts_total{{deployment="red",reason="{reason}"}} 0.0' in lines


def test_metrics_say_how_it_stands_and_what_has_happened(server: HealthServer, metrics: Metrics) -> None:
    metrics.answered("blue", 0.004)
    metrics.failed("blue", Reason.STUB_DIED)
    metrics.suspected("green")
    metrics.refused("traffic")
    status, text = get(server, "/metrics")
    assert status == 200
    for line in (
        'tritext_deployment_up{deployment="blue"} 1.0',
        'tritext_instance_state{deployment="blue",number="0",state="serving"} 1.0',
        'tritext_instance_state{deployment="blue",number="0",state="ill"} 0.0',
        'tritext_restarts_total{deployment="blue",reason="stub_died"} 1.0',
        'tritext_canary_failures_total{deployment="green",reason="late"} 1.0',
        'tritext_canary_seconds_bucket{deployment="blue",le="0.005"} 1.0',
        'tritext_traffic_share{deployment="blue"} 100.0',
        'tritext_mirror_share{deployment="green"} 10.0',
        'tritext_changes_refused_total{verb="traffic"} 1.0',
        'tritext_expected_label_share{deployment="blue",label="negative",model="sentiment"} 0.53',
        "tritext_keys 2.0",
    ):
        assert line in text.splitlines()
