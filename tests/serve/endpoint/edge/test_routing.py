"""Who gets a request: weights, targets, mirror, health, and what becomes of it on the way."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.serve.endpoint.edge.conftest import Pair
from tests.serve.endpoint.edge.upstream import Orders
from tritext_serve.endpoint.edge.refusals import REFUSALS
from tritext_serve.ports import steady_ports

TARGET = "azureml-model-deployment"


def wait_for(done: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until something has happened."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "it has not happened"
        time.sleep(0.01)


def refused(answer: httpx.Response, code: str) -> None:
    """Check a refusal's every part."""
    refusal = REFUSALS[code]
    assert (answer.status_code, answer.headers["x-error-code"]) == (refusal.status, code)
    assert set(answer.json()) == {"error", "code"}
    assert answer.json()["code"] == code
    assert ("retry-after" in answer.headers) == refusal.retry


def test_predict_asks_the_deployments_own_model(pair: Pair) -> None:
    for path, target, asked in (
        ("/predict", "blue", "/v2/models/sentiment/generate"),
        ("/score", "blue", "/v2/models/sentiment/generate"),
        ("/predict/naive", "blue", "/v2/models/plain/generate"),
        ("/predict", "green", "/v2/models/other/generate"),
    ):
        answer = pair.ask(path, azureml_model_deployment=target)
        assert answer.json() == {"served": target}
        assert answer.headers[TARGET] == target
        assert getattr(pair, target).asked[-1].path == asked


def test_what_a_deployment_has_not_is_not_there(pair: Pair) -> None:
    refused(pair.ask("/predict/naive", azureml_model_deployment="green"), "not_found")
    refused(pair.ask("/predict/trained"), "not_found")
    refused(pair.ask(azureml_model_deployment="red"), "DeploymentNotFound")
    refused(pair.ask(azureml_model_deployment=""), "DeploymentNotFound")


def test_traffic_is_split_by_weight(pair: Pair) -> None:
    pair.edge.shift(traffic={"blue": 90, "green": 10})
    served = Counter(pair.ask().json()["served"] for _ in range(1000))
    assert served["blue"] + served["green"] == 1000
    assert 43 <= served["green"] <= 157  # ten per cent, within six standard deviations


def test_a_shift_is_whole_and_loses_no_request(pair: Pair) -> None:
    stop, statuses, late = threading.Event(), Counter[int](), []

    def load() -> None:
        while not stop.is_set():
            statuses[pair.ask().status_code] += 1

    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(load)
        for green in (10, 50, 90, 100):
            pair.edge.shift(traffic={"blue": 100 - green, "green": green})
        late = [pair.ask().json()["served"] for _ in range(20)]
        stop.set()
        loading.result()
    assert set(statuses) == {200}
    assert late == ["green"] * 20


def test_a_broken_file_keeps_the_last_good_routes(pair: Pair) -> None:
    (pair.edge.directory / "rds.json.new").write_text('{"resources": [', encoding="utf-8")
    (pair.edge.directory / "rds.json.new").replace(pair.edge.directory / "rds.json")
    wait_for(lambda: any(pair.edge.envoy.stats(r"rds\.endpoint\.update_(failure|rejected)").values()))
    assert pair.ask().status_code == 200
    pair.edge.shift(traffic={"green": 100})
    assert pair.ask().json() == {"served": "green"}


def test_without_traffic_only_targets_are_answered(pair: Pair) -> None:
    pair.edge.shift(traffic={"blue": 0})
    refused(pair.ask(), "no_traffic")
    assert pair.ask(azureml_model_deployment="blue").status_code == 200
    refused(pair.client.get("/health/ready"), "unavailable")


def test_a_mirror_gets_copies_for_its_own_model_of_untargeted_requests_alone(pair: Pair) -> None:
    pair.edge.shift(mirror_traffic={"green": 100})  # the file's rules allow 50: here each copy is to be seen
    for _ in range(5):
        assert pair.ask().json() == {"served": "blue"}
    wait_for(lambda: len(pair.green.asked) == 5)
    assert {asked.path for asked in pair.green.asked} == {"/v2/models/other/generate"}
    assert {asked.body for asked in pair.green.asked} == {pair.blue.asked[-1].body}
    pair.ask(text="targeted", azureml_model_deployment="blue")
    pair.ask(text="drawn")
    wait_for(lambda: any(b"drawn" in asked.body for asked in pair.green.asked))
    assert not any(b"targeted" in asked.body for asked in pair.green.asked)
    answer = pair.ask(x_tritext_mirror_path="/v2/repository/index", azureml_model_deployment="green")
    assert answer.json() == {"served": "green"}
    assert pair.green.asked[-1].path == "/v2/models/other/generate"


def test_a_mirror_that_fails_or_hangs_harms_nobody(pair: Pair) -> None:
    pair.edge.shift(mirror_traffic={"green": 100})
    for orders in (Orders(500, "x"), Orders(seconds=2)):
        pair.green.orders = orders
        assert [pair.ask().status_code for _ in range(3)] == [200] * 3


def test_an_ill_deployment_leaves_rotation_and_comes_back(pair: Pair) -> None:
    pair.edge.health.ill.add("blue/0")
    wait_for(lambda: pair.ask().status_code == 503)
    refused(pair.ask(), "unavailable")
    refused(pair.client.get("/health/ready"), "unavailable")
    assert pair.ask(azureml_model_deployment="green").status_code == 200
    pair.edge.health.ill.clear()
    wait_for(lambda: pair.ask().status_code == 200)


def test_one_of_two_instances_that_is_ill_is_left_out(pair: Pair) -> None:
    first = pair.edge.edge.upstreams[0]
    second = type(first)("blue", first.host, pair.green.port, pair.green.port, first.health, number=1)
    pair.edge.change(upstreams=(first, second, pair.edge.edge.upstreams[1]))
    assert {pair.ask().json()["served"] for _ in range(40)} == {"blue", "green"}
    pair.edge.health.ill.add("blue/0")
    wait_for(lambda: {pair.ask().json()["served"] for _ in range(10)} == {"green"})


def test_what_cannot_connect_is_asked_of_another_instance(pair: Pair) -> None:
    first = pair.edge.edge.upstreams[0]
    (nobody,) = steady_ports(1)
    second = type(first)("blue", first.host, nobody, nobody, first.health, number=1)
    pair.edge.change(upstreams=(first, second, pair.edge.edge.upstreams[1]))
    assert {pair.ask().status_code for _ in range(40)} == {200}
    pair.edge.change(upstreams=(second, pair.edge.edge.upstreams[2]))
    refused(pair.ask(), "unavailable")


def test_what_has_reached_a_server_is_never_asked_again(pair: Pair) -> None:
    pair.blue.orders = Orders(hang_up=True)
    refused(pair.ask(), "unavailable")
    assert len(pair.blue.asked) == 1


def test_each_deployment_has_its_own_time(pair: Pair) -> None:
    pair.blue.orders = pair.green.orders = Orders(seconds=0.7)
    assert pair.ask().status_code == 200
    refused(pair.ask(azureml_model_deployment="green"), "request_timeout")


def test_a_client_cannot_set_envoys_own_headers(pair: Pair) -> None:
    pair.blue.orders = Orders(seconds=0.3)
    assert pair.ask(x_envoy_upstream_rq_timeout_ms="1", x_envoy_max_retries="9").status_code == 200


def test_more_in_flight_than_twice_what_it_works_on_is_refused(pair: Pair) -> None:
    pair.blue.orders = Orders(seconds=1.5)  # so long that all are there before the first is answered
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: pair.ask(), range(10)))
    assert {answer.status_code for answer in answers} == {200, 429}
    assert pair.blue.most == 4
    refused(next(answer for answer in answers if answer.status_code == 429), "too_many_requests")


@pytest.mark.parametrize(
    ("status", "message", "code"),
    [
        (503, "Exceeds maximum queue size", "queue_full"),
        (503, "Request timeout expired", "deadline_exceeded"),
        (503, "the request's timeout of 5 microseconds has passed: allow more", "deadline_exceeded"),
        (500, "Failed to process the request(s): Stub process 'sentiment_0' is not healthy.", "model_error"),
        (500, "in ensemble 'x', /dev/shm/triton_python_backend_1 failed", "model_error"),
        (500, "failed to parse the request JSON buffer: Invalid value. at 3", "invalid_request"),
        (400, "Request for unknown model: 'nope' is not found", "model_not_found"),
        (400, "inference request batch-size must be <= 64 for 'sentiment'", "batch_too_large"),
        (400, "text 3 has 900 tokens, more than the 512 that the model takes: shorten it", "unprocessable"),
        (400, "unexpected inference input 'secret' for model 'sentiment'", "invalid_request"),
        (418, "I am a teapot", "internal"),
    ],
)
def test_what_triton_says_becomes_the_tables_words(pair: Pair, status: int, message: str, code: str) -> None:
    pair.blue.orders = Orders(status, message)
    answer = pair.ask()
    refused(answer, code)
    assert not any(word in answer.text for word in ("secret", "shm", "Stub", "teapot"))


def test_a_full_queue_or_wrong_requests_do_not_eject(pair: Pair) -> None:
    for orders in (Orders(503, "Exceeds maximum queue size"), Orders(400, "expected 1 inputs")):
        pair.blue.orders = orders
        for _ in range(8):
            pair.ask()
    pair.blue.orders = Orders()
    assert pair.ask().status_code == 200


def test_an_instance_that_only_fails_is_ejected_but_never_the_last(pair: Pair) -> None:
    pair.blue.orders = Orders(500, "the front failed: x")
    assert [pair.ask().status_code for _ in range(8)] == [424] * 8
    first = pair.edge.edge.upstreams[0]
    second = type(first)("blue", first.host, pair.green.port, pair.green.port, first.health, number=1)
    pair.edge.change(upstreams=(first, second, pair.edge.edge.upstreams[1]))
    wait_for(lambda: {pair.ask().status_code for _ in range(12)} == {200})


def test_request_ids_are_kept_made_and_cut(pair: Pair) -> None:
    assert pair.ask(x_request_id="mine").headers["x-request-id"] == "mine"
    assert len(pair.ask().headers["x-request-id"]) == 36
    assert pair.ask(x_request_id="a" * 500).headers["x-request-id"] == "a" * 128
    assert not [name for name in pair.ask().headers if name.startswith("x-envoy")]
    answer = pair.ask(x_request_id="mine", x_ms_client_request_id="theirs")
    assert answer.headers["x-ms-client-request-id"] == "theirs"
    assert pair.blue.asked[-1].headers["x-request-id"] == "mine"
