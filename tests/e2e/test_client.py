"""The client against a real server, by both transports: what users do, and what they are told when it fails."""

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.conftest import server_options
from tests.e2e.test_serving import damaged
from tritext import (
    AsyncClient,
    Client,
    DeadlineExceeded,
    InvalidInput,
    QueueFull,
    Unavailable,
    UnknownModel,
)
from tritext_export.labelled import Example
from tritext_serve.ports import steady_ports
from tritext_serve.server import Server

pytestmark = pytest.mark.e2e


@pytest.fixture(params=["grpc", "http"])
def url(request: pytest.FixtureRequest, server: Server) -> str:
    """The server's address by each transport."""
    return server.grpc_url if request.param == "grpc" else server.http_url


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    """A client of the trained model."""
    with Client(url, "sentiment", timeout=30) as connected:
        yield connected


def test_one_text_and_many(client: Client) -> None:
    one = client.classify("A wonderful, moving film.", scores=True)
    assert (one.label, one.truncated, one.model_version) == ("positive", False, "1")
    assert one.tokens == 8
    assert one.scores is not None
    assert one.scores["positive"] == one.score > 0.9
    assert sum(one.scores.values()) == pytest.approx(1, abs=1e-6)
    assert [p.label for p in client.classify(["A dull, tedious mess.", "A wonderful film."])] == [
        "negative",
        "positive",
    ]
    assert client.classify([]) == []


def test_more_texts_than_the_server_takes_at_once_come_back_in_order(
    url: str, test_examples: Sequence[Example]
) -> None:
    texts = [e.text for e in test_examples[:300]]
    with Client(url, "sentiment", timeout=60, max_batch_size=1000) as eager:
        predictions = eager.classify(texts)
    assert [p.text for p in predictions] == texts
    with Client(url, "sentiment", timeout=60, max_batch_size=10) as modest:
        assert [p.label for p in modest.classify(texts)] == [p.label for p in predictions]


def test_the_async_client_gives_the_same(url: str, client: Client) -> None:
    texts = ["A wonderful film.", "", "A dull, tedious mess."] * 20

    async def ask() -> list[str]:
        async with AsyncClient(url, "sentiment", timeout=30, max_batch_size=8) as connected:
            answers = await asyncio.gather(*(connected.classify(texts) for _ in range(4)))
        assert all(a == answers[0] for a in answers)
        return [p.label for p in answers[0]]

    assert asyncio.run(ask()) == [p.label for p in client.classify(texts)]


def test_threads_share_a_client(client: Client) -> None:
    texts = ["A wonderful film.", "A dull, tedious mess."] * 32
    with ThreadPoolExecutor(8) as pool:
        labels = list(pool.map(lambda text: client.classify(text).label, texts))
    assert labels == ["positive", "negative"] * 32


def test_a_long_text_is_classified_and_flagged(client: Client) -> None:
    prediction = client.classify("good " * 2000)
    assert (prediction.tokens, prediction.truncated) == (512, True)


@pytest.mark.parametrize("text", ["", "\0", "tab\tand\nline", "🙂"])
def test_unusual_texts_come_back_as_they_were_sent(client: Client, text: str) -> None:
    assert client.classify([text])[0].text == text


def test_an_unknown_model_and_an_unknown_version(url: str) -> None:
    with Client(url, "nothing", timeout=10) as client, pytest.raises(UnknownModel, match="nothing"):
        client.classify("x")
    with Client(url, "sentiment", version=9, timeout=10) as client, pytest.raises(UnknownModel, match="9"):
        client.classify("x")


def test_a_text_that_is_too_large_is_refused_in_the_servers_words(client: Client) -> None:
    with pytest.raises(InvalidInput, match="1048577 bytes, more than the 1048576 allowed"):
        client.classify("x" * (2**20 + 1))


def test_a_deadline_bounds_the_call(client: Client) -> None:
    with pytest.raises(DeadlineExceeded):
        client.classify([f"film {number} of some length " * 20 for number in range(64)], timeout=0.02)
    assert client.classify("A wonderful film.").label == "positive"


@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_nobody_listening(scheme: str) -> None:
    port = steady_ports(1)[0]
    with Client(f"{scheme}://127.0.0.1:{port}", "sentiment", timeout=5) as client, pytest.raises(Unavailable):
        client.classify("x")


@pytest.mark.slow
def test_a_full_queue_says_so_and_a_patient_client_gets_through(model_repository: Path, tmp_path: Path) -> None:
    repository = damaged(model_repository, tmp_path, "", None)
    config = repository / "sentiment" / "config.pbtxt"
    whole = config.read_text()
    assert '"1024"' in whole
    config.write_text(whole.replace('"1024"', '"1"'))
    # All different, or the server would compute them once and be done before the queue is full.
    texts = [[f"film {number} of some length {place} " * 6 for place in range(16)] for number in range(12)]
    with Server(repository, server_options(instances={"": 1})) as server:
        for url in (server.grpc_url, server.http_url):
            with Client(url, "sentiment", timeout=60, retries=0) as client, ThreadPoolExecutor(12) as pool:
                client.classify("x")
                hasty = [future.exception() for future in [pool.submit(client.classify, t) for t in texts]]
            assert any(isinstance(error, QueueFull) for error in hasty)
            assert all(error is None or isinstance(error, QueueFull) for error in hasty)
            with Client(url, "sentiment", timeout=60, retries=50) as client, ThreadPoolExecutor(4) as pool:
                patient = [future.result() for future in [pool.submit(client.classify, t) for t in texts]]
            assert [len(answer) for answer in patient] == [16] * 12
