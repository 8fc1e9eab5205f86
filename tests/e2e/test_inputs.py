"""Whatever is sent, a real server gives a defined answer and stays up."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.raw import get, infer, infer_binary, output, pack, post, text_input
from tritext_serve.front.metrics import INTERVAL_SECONDS
from tritext_serve.server import Server

pytestmark = pytest.mark.e2e
MODEL = "sentiment"


@pytest.fixture(autouse=True)
def alive_afterwards(server: Server) -> Iterator[None]:
    """Whatever a test sends, the next good request is answered and no process has been lost."""
    before = server.footprint().processes
    yield
    status, answer = infer(server.http_url, MODEL, [text_input("A wonderful, moving film.")])
    assert (status, output(answer, "sentiment")) == (200, ["positive"])
    assert server.footprint().processes == before


@pytest.mark.parametrize("text", ["", " ", "\0", "a\0b", "🙂" * 40, "שלום", "\u200b", "\n\t"])
def test_unusual_texts_have_an_answer_and_come_back_unchanged(server: Server, text: str) -> None:
    status, answer = infer(server.http_url, MODEL, [text_input(text)])
    assert status == 200
    assert output(answer, "text") == [text]
    assert output(answer, "sentiment")[0] in ("negative", "positive")
    assert infer(server.http_url, MODEL, [text_input(text)])[1] == answer, "and the same answer again"


def test_a_text_over_the_maximum_length_is_cut_and_says_so(server: Server) -> None:
    status, answer = infer(server.http_url, MODEL, [text_input("good " * 510, "good " * 511)])
    assert status == 200
    assert output(answer, "tokens") == [512, 512]
    assert output(answer, "truncated") == [False, True]


def test_a_huge_text_is_refused_by_size(server: Server) -> None:
    status, answer = infer(server.http_url, MODEL, [text_input("x" * (1 << 20) + "y")])
    assert status == 400
    assert "text 0 has 1048577 bytes, more than the 1048576 allowed" in answer["error"]


@pytest.mark.parametrize("raw", [b"caf\xe9", b"\xff\xfe", b"\xed\xa0\x80"], ids=["latin-1", "no text", "surrogate"])
def test_invalid_utf8_is_the_clients_fault(server: Server, raw: bytes) -> None:
    status, answer = infer_binary(server.http_url, MODEL, pack(raw), 1)
    assert status == 400
    assert "text 0 is not valid UTF-8" in answer["error"]


@pytest.mark.parametrize(
    ("raw", "count"),
    [
        (b"", 1),
        (b"\x05", 1),
        (b"\xff\xff\xff\xff", 1),
        (b"\xff\xff\xff\x7fabc", 1),
        (pack(b"one"), 2),
        (pack(b"one", b"two"), 1),
        (pack(b"one") + b"\0", 1),
    ],
    ids=["nothing", "cut length", "length 2^32", "length 2^31", "too few", "too many", "trailing byte"],
)
def test_a_malformed_binary_tensor_never_reaches_the_stub(server: Server, raw: bytes, count: int) -> None:
    status, answer = infer_binary(server.http_url, MODEL, raw, count)
    assert status == 400
    assert answer["error"]


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ([text_input("x", datatype="INT32", data=[1])], "data-type"),
        ([text_input("x", datatype="NONSENSE")], "datatype"),
        ([text_input("x", shape=[1])], "shape"),
        ([text_input("x", shape=[1, 1, 1])], "shape"),
        ([text_input("x", shape=[2, 1])], "text"),
        ([text_input("x", shape=[1, 2], data=["x", "y"])], "shape"),
        ([text_input(shape=[0, 1])], "expected 1 string elements"),
        ([text_input("x", name="texts")], "texts"),
        ([text_input("x"), text_input("x")], "text"),
        ([], "input"),
        ([text_input(*["x"] * 65)], "batch-size must be <= 64"),
    ],
    ids=["int32", "no dtype", "rank 1", "rank 3", "too few", "two a row", "empty", "name", "twice", "none", "batch"],
)
def test_a_wrong_tensor_is_refused_by_name(server: Server, inputs: list[dict[str, Any]], words: str) -> None:
    status, answer = infer(server.http_url, MODEL, inputs)
    assert status == 400
    assert words in answer["error"]


def test_an_unknown_output_is_refused(server: Server) -> None:
    status, answer = infer(server.http_url, MODEL, [text_input("x")], outputs=[{"name": "mood"}])
    assert status == 400
    assert "mood" in answer["error"]


@pytest.mark.parametrize("path", ["nothing/infer", "sentiment/versions/9/infer"])
def test_an_unknown_model_or_version_is_not_found(server: Server, path: str) -> None:
    status, answer = post(f"{server.http_url}/v2/models/{path}", b'{"inputs": []}')
    assert status == 404
    assert "unknown model" in answer["error"]


def test_only_the_outputs_asked_for_are_sent(server: Server) -> None:
    _, answer = infer(server.http_url, MODEL, [text_input("x")], outputs=[{"name": "label_id"}])
    assert [tensor["name"] for tensor in answer["outputs"]] == ["label_id"]


def test_a_bad_text_does_not_spoil_its_neighbours_in_the_batch(server: Server) -> None:
    import threading

    statuses: list[tuple[bool, int]] = []

    def send(good: bool) -> None:
        raw = b"A wonderful, moving film." if good else b"\xff"
        statuses.append((good, infer_binary(server.http_url, MODEL, pack(raw), 1)[0]))

    threads = [threading.Thread(target=send, args=(i % 3 > 0,)) for i in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(statuses) == {(True, 200), (False, 400)}


@pytest.mark.parametrize(
    "path",
    [
        "/v2/repository/index",
        "/v2/models/sentiment/config",
        "/v2/models/sentiment/stats",
        "/v2/systemsharedmemory/status",
        "/v2/trace/setting",
        "/v2/logging",
    ],
)
def test_apis_that_change_or_reveal_the_server_are_closed(server: Server, path: str) -> None:
    method = post(f"{server.http_url}{path}", b"")[0] if "repository" in path else get(f"{server.http_url}{path}")[0]
    assert method == 403


def test_the_generate_route_answers_plain_json(server: Server) -> None:
    status, answer = post(f"{server.http_url}/v2/models/sentiment/generate", b'{"text": "I love it"}')
    assert (status, answer["text"], answer["sentiment"]) == (200, "I love it", "positive")


def test_metrics_count_labels_scores_tokens_and_outcomes(server: Server) -> None:
    infer(server.http_url, MODEL, [text_input("A wonderful, moving film.", "good " * 600)])
    infer_binary(server.http_url, MODEL, pack(b"\xff"), 1)
    own = 'model="sentiment",version="1"'
    wanted = (
        'prediction_requests_total{model="sentiment",outcome="ok",version="1"}',
        'prediction_requests_total{model="sentiment",outcome="refused",version="1"}',
        'prediction_labels_total{label="positive",model="sentiment",version="1"}',
        f"prediction_truncated_total{{{own}}}",
        f"sentiment_score_count{{{own}}}",
        f"prediction_tokens_sum{{{own}}}",
        f"prediction_duration_seconds_count{{{own}}}",
    )
    deadline = time.monotonic() + 30
    while at_nought := [metric for metric in wanted if not counted(server, metric)]:
        assert time.monotonic() < deadline, at_nought
        time.sleep(INTERVAL_SECONDS / 4)


def counted(server: Server, metric: str) -> float:
    """What a metric says, which a front brings up to date now and then."""
    (line,) = [line for line in get(server.metrics_url)[1].splitlines() if line.startswith(metric)]
    return float(line.split()[-1])
