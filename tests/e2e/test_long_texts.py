"""Long texts through a real server, each request saying how they are taken; and texts that nobody waits for."""

import json
import re
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tritonclient.grpc import InferenceServerClient, InferInput
from tritonclient.utils import InferenceServerException

from tests.e2e.raw import get, infer, output, post, text_input
from tritext_serve import processes
from tritext_serve.front.metrics import INTERVAL_SECONDS
from tritext_serve.server import Server

pytestmark = pytest.mark.e2e
MODEL = "sentiment"
ROOM = 510  # tokens of a window besides its two special ones
LONG = "good " * ROOM + "bad " * ROOM + "good bad"


def ask(server: Server, *texts: str, **parameters: Any) -> tuple[int, dict[str, Any]]:
    """Ask with parameters of a request."""
    return infer(server.http_url, MODEL, [text_input(*texts)], parameters=parameters)


def scores(server: Server, *texts: str, **parameters: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Every label's probability, [texts, labels]."""
    status, answer = ask(server, *texts, **parameters)
    assert status == 200, answer
    return np.array(output(answer, "scores")).reshape(len(texts), -1)


@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_windows_give_the_mean_or_the_maximum_of_what_each_would_give(server: Server, pooling: str) -> None:
    windows = scores(server, "good " * ROOM, "bad " * ROOM, "good bad")
    whole = scores(server, LONG, long_texts="window", window_stride=0, window_pooling=pooling)[0]
    if pooling == "mean":  # the mean of logits is that of logarithms of probabilities, but for what softmax takes out
        expected = np.exp(np.log(windows).mean(axis=0))
        np.testing.assert_allclose(whole, expected / expected.sum(), atol=1e-4)
    else:
        assert windows.min(axis=0)[0] < whole[0] < windows.max(axis=0)[0]


def test_a_text_in_windows_is_whole_and_its_neighbours_are_as_ever(server: Server) -> None:
    status, answer = ask(server, LONG, "A wonderful, moving film.", long_texts="window")
    assert status == 200
    assert output(answer, "truncated") == [False, False]
    assert output(answer, "tokens")[0] == 2 * ROOM + 4
    alone = infer(server.http_url, MODEL, [text_input("A wonderful, moving film.")])[1]
    assert output(answer, "score")[1] == pytest.approx(output(alone, "score")[0], abs=1e-5)


def test_a_request_that_wants_no_text_cut_is_refused_with_the_number(server: Server) -> None:
    status, answer = ask(server, "short", LONG, long_texts="refuse")
    assert status == 400
    assert "text 1 has 1024 tokens, more than the 512 that the model takes: shorten it" in answer["error"]
    assert ask(server, "short", long_texts="refuse")[0] == 200


def test_more_windows_than_allowed_are_refused(server: Server) -> None:
    status, answer = ask(server, "good " * 40_000, long_texts="window")
    assert status == 400
    assert "more than the 32 allowed" in answer["error"]


def test_a_request_of_more_windows_than_allowed_is_refused_without_work(server: Server) -> None:
    texts = [f"{number} {LONG}" for number in range(50)]
    status, answer = ask(server, *texts, long_texts="window")
    assert status == 400
    assert "make 150 windows, more than the 128 allowed: send fewer of them at a time" in answer["error"]


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"long_texts": "cut"}, "long_texts is 'cut': take truncate, refuse, window"),
        ({"long_texts": 1}, "long_texts is 1: take truncate, refuse, window"),
        ({"window_stride": -4}, "window_stride is -4: take a whole number of tokens from 0 to 256"),
        ({"window_stride": "many"}, "window_stride is 'many'"),
        ({"window_pooling": "median"}, "window_pooling is 'median': take mean, max"),
    ],
    ids=["mode", "type", "negative stride", "stride", "pooling"],
)
def test_a_wrong_parameter_is_refused_by_name(server: Server, parameters: dict[str, Any], words: str) -> None:
    status, answer = ask(server, "short", **parameters)
    assert status == 400
    assert words in answer["error"]


def test_the_generate_route_takes_the_parameters_beside_the_text(server: Server) -> None:
    body = json.dumps({"text": LONG, "long_texts": "window"}).encode()
    status, answer = post(f"{server.http_url}/v2/models/{MODEL}/generate", body)
    assert (status, answer["tokens"], answer["truncated"]) == (200, 2 * ROOM + 4, False)


def test_grpc_takes_the_parameters_too(server: Server) -> None:
    client, texts = triton(server), grpc_texts(LONG)
    whole = client.infer(MODEL, [texts], parameters={"long_texts": "window", "window_stride": 8})
    assert whole.as_numpy("truncated").tolist() == [[False]]
    with pytest.raises(InferenceServerException, match="more than the 512"):
        client.infer(MODEL, [texts], parameters={"long_texts": "refuse"})
    client.close()


@pytest.mark.slow
@pytest.mark.alone
def test_the_same_text_many_times_costs_once_and_is_answered_each_time(server: Server) -> None:
    same = min((timed(lambda: ask(server, *[LONG] * 24)) for _ in range(3)), key=lambda each: each[0])
    assert same[1][0] == 200
    assert len(set(output(same[1][1], "score"))) == 1
    different = timed(lambda: ask(server, *[f"{number} {LONG}" for number in range(24)]))
    assert different[1][0] == 200
    assert same[0] < different[0] / 4


@pytest.mark.slow
@pytest.mark.alone
def test_work_on_a_request_ends_with_its_timeout(server: Server) -> None:
    texts = [f"{number} {LONG}" for number in range(24)]
    status, answer = ask(server, *texts, timeout=1000)
    assert status == 503
    assert "timeout" in answer["error"].lower()
    whole = [timed(lambda: ask(server, *texts)) for _ in range(2)]
    least, most = sorted(seconds for seconds, _ in whole)
    cut = timed(lambda: ask(server, *texts, timeout=int(least / 4 * 1e6)))
    assert ([each[1][0] for each in whole], cut[1][0]) == ([200, 200], 503)
    assert cut[0] < most * 0.75


@pytest.mark.slow
def test_no_work_is_spent_on_requests_whose_client_has_gone(server: Server) -> None:
    client = triton(server)
    before = labels_given(server)
    stubs = [stub for stub in processes.stubs(server.pid) if stub.model == MODEL]
    begun = sum(stub.cpu_seconds for stub in stubs)
    answered: list[object] = []

    def send(name: str, count: int, text: str, done: list[object]) -> Any:
        texts = grpc_texts(*[f"{name} {number} {text}" for number in range(count)])
        return client.async_infer(MODEL, [texts], lambda result, error: done.append(error))

    for number in range(2):  # one for each process that there may be
        send(f"first {number}", 30, LONG, answered)
    while sum(stub.cpu_seconds for stub in stubs) < begun + 0.1:
        time.sleep(0.005)
    calls = [send(f"then {number}", 30, "bad", []) for number in range(3)]
    time.sleep(0.05)
    assert not answered, "the first requests are still at work"
    for call in calls:
        call.cancel()
    while len(answered) < 2:
        time.sleep(0.05)
    assert answered == [None, None]
    ask(server, "A wonderful, moving film.")
    assert labels_given(server, before + 2 * 30 + 1) - before == 2 * 30 + 1
    client.close()


def triton(server: Server) -> InferenceServerClient:
    """NVIDIA's own client."""
    return InferenceServerClient(server.grpc_url.removeprefix("grpc://"))


def grpc_texts(*texts: str) -> InferInput:
    """The input tensor of some texts."""
    tensor = InferInput("text", [len(texts), 1], "BYTES")
    tensor.set_data_from_numpy(np.array([[text.encode()] for text in texts], dtype=np.object_))
    return tensor


def timed(call: Callable[[], tuple[int, dict[str, Any]]]) -> tuple[float, tuple[int, dict[str, Any]]]:
    """How long a call takes, and its answer."""
    started = time.monotonic()
    answer = call()
    return time.monotonic() - started, answer


def labels_given(server: Server, expected: int = 0) -> int:
    """Texts that were classified, by the server's own count, once that rises no more and is what is expected."""
    deadline, before = time.monotonic() + 30, -1
    while before != (now := labels_counted(server)) or now < expected:
        if time.monotonic() > deadline:
            break
        before = now
        time.sleep(2 * INTERVAL_SECONDS)
    return now


def labels_counted(server: Server) -> int:
    """The same, as it is counted now."""
    _, page = get(server.metrics_url)
    counts = re.findall(rf'^prediction_labels_total{{.*model="{MODEL}".*}} (\S+)$', page, re.MULTILINE)
    return int(sum(map(float, counts)))
