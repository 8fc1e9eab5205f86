"""Who may ask: two live keys, rotation while requests run, and keys that are seen nowhere."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.serve.endpoint.edge.conftest import Pair
from tests.serve.endpoint.edge.test_routing import refused, wait_for
from tests.serve.endpoint.edges import KEYS
from tritext_serve.endpoint.edge.routes import TARGET_HEADER


def ask(pair: Pair, *authorization: str) -> httpx.Response:
    """Ask with these headers for a key."""
    headers = [("authorization", each) for each in authorization]
    return httpx.post(f"{pair.edge.url}/predict", json={"text": "x"}, headers=headers, trust_env=False)


def test_either_key_is_valid_and_the_deployment_learns_whose_it_is_but_not_the_key(pair: Pair) -> None:
    for client, key in KEYS.items():
        answer = pair.ask(authorization=f"Bearer {key}", x_tritext_client="somebody-else")
        assert answer.status_code == 200
        assert pair.blue.asked[-1].headers["x-tritext-client"] == client
        assert "authorization" not in pair.blue.asked[-1].headers
        assert pair.ask(authorization=key).status_code == 200


@pytest.mark.parametrize(
    "authorization",
    [
        (),
        ("",),
        ("Bearer",),
        ("Bearer wrong",),
        (f"Bearer {KEYS['primary'][:-1]}",),
        (f"Bearer {KEYS['primary']}x",),
        (f"Basic {KEYS['primary']}",),
        (f"Bearer {KEYS['primary'].upper()}",),
        (f"Bearer {KEYS['primary']}", f"Bearer {KEYS['secondary']}"),
        ("Bearer wrong", f"Bearer {KEYS['primary']}"),
    ],
)
def test_without_one_valid_key_nothing_is_answered(pair: Pair, authorization: tuple[str, ...]) -> None:
    answer = ask(pair, *authorization)
    refused(answer, "unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert pair.blue.asked == []


def test_a_key_anywhere_else_is_none(pair: Pair) -> None:
    key = KEYS["primary"]
    for path, headers in ((f"/predict?key={key}", {}), ("/predict", {"x-api-key": key}), ("/predict", {"cookie": key})):
        answer = httpx.post(f"{pair.edge.url}{path}", json={"text": "x"}, headers=headers, trust_env=False)
        refused(answer, "unauthenticated")


def test_routes_that_do_not_exist_tell_a_stranger_nothing(pair: Pair) -> None:
    for path in ("/nope", "/v2/repository/index", "/predict/nope"):
        refused(httpx.post(f"{pair.edge.url}{path}", trust_env=False), "unauthenticated")


@pytest.mark.parametrize(("method", "status"), [("GET", 200), ("POST", 405)])
def test_health_tells_a_stranger_no_deployments_name(pair: Pair, method: str, status: int) -> None:
    """Whoever is named, there or not, is answered alike, and no answer says which deployment gave it."""
    pair.edge.shift(traffic={"blue": 50, "green": 50})
    with httpx.Client(base_url=pair.edge.url, trust_env=False) as stranger:
        for path in ("/health/ready", "/v2/health/ready", "/v2/health/live", "/health/live"):
            for name in ("blue", "green", "mauve", ""):
                answer = stranger.request(method, path, headers={TARGET_HEADER: name})
                assert (answer.status_code, TARGET_HEADER in answer.headers) == (status, False), (path, name)


def test_rotation_fails_no_request(pair: Pair) -> None:
    stop, statuses = threading.Event(), Counter[int]()
    current = {"key": KEYS["secondary"]}

    def load() -> None:
        while not stop.is_set():
            statuses[pair.ask(authorization=f"Bearer {current['key']}").status_code] += 1

    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(load)
        pair.edge.change(keys=KEYS | {"primary": "the-new-primary-key"})
        current["key"] = "the-new-primary-key"
        seen = statuses[200]
        wait_for(lambda: statuses[200] > seen + 20)
        pair.edge.change(keys={"primary": "the-new-primary-key", "secondary": "the-new-secondary-key"})
        seen = statuses[200]
        wait_for(lambda: statuses[200] > seen + 20)
        stop.set()
        loading.result()
    assert set(statuses) == {200}
    for old in KEYS.values():
        refused(ask(pair, f"Bearer {old}"), "unauthenticated")
    assert ask(pair, "Bearer the-new-secondary-key").status_code == 200


def test_no_key_is_in_a_log_an_argument_or_a_page(pair: Pair) -> None:
    pair.ask()
    ask(pair, "Bearer wrong-but-secret")
    last = {"x-request-id": "no-key-in-a-log"}
    httpx.post(f"{pair.edge.url}/predict?key={pair.edge.key}", headers=last, trust_env=False)
    wait_for(lambda: last["x-request-id"] in pair.edge.access_log.read_text())
    places = [pair.edge.access_log.read_text(), pair.edge.envoy.log.read_text()]
    places.append(Path(f"/proc/{pair.edge.envoy.pid}/cmdline").read_text())
    for page in ("/stats", "/stats/prometheus", "/clusters", "/server_info", "/listeners"):
        answer = httpx.get(pair.edge.admin + page, trust_env=False)
        assert answer.status_code == 200
        places.append(answer.text)
    for place in places:
        assert not any(key in place for key in (*KEYS.values(), "wrong-but-secret"))
