"""What both transports must do alike, over real sockets."""

import asyncio
import time

import numpy as np
import pytest

from tests.client.fake_transport import LABELS
from tests.client.transports.conftest import Door
from tritext import (
    AsyncClient,
    Client,
    DeadlineExceeded,
    InferenceFailed,
    InvalidInput,
    Prediction,
    QueueFull,
    TritextError,
    Unavailable,
)
from tritext._protocol import NUMBERS, SCORES, parse_labels, predictions
from tritext._transports.base import Call

HARD_TEXTS = ("four", "", "a\0b", "tab\tline\nreturn\r", "naïve 漢字 🙂", '"quotes" \\ {json}', "x" * 5000)


def call(*texts: str, outputs: tuple[str, ...] = NUMBERS, timeout: float = 10.0, class_count: int = 0) -> Call:
    return Call("sentiment", "", texts, outputs, timeout, class_count)


def test_texts_arrive_as_they_are(door: Door) -> None:
    answer = door.infer(call(*HARD_TEXTS))
    assert answer.model_version == "7"
    assert answer.arrays["tokens"].tolist() == [[len(text)] for text in HARD_TEXTS]


def test_pairs_travel_beside_their_texts(door: Door) -> None:
    pairs = Call("sentiment", "", HARD_TEXTS, NUMBERS, 10.0, pairs=tuple(reversed(HARD_TEXTS)))
    assert door.infer(pairs).arrays["tokens"].tolist() == [[len(text)] for text in HARD_TEXTS]
    assert door.fake.last_pairs == tuple(reversed(HARD_TEXTS))


@pytest.mark.parametrize("background", [True, False])
def test_only_a_call_in_the_background_says_so(door: Door, background: bool) -> None:
    door.infer(Call("sentiment", "", ("a",), NUMBERS, 10.0, background=background))
    request = door.fake.requests[-1]
    if door.url.startswith("grpc"):
        found = request[0].parameters["background"].bool_param if "background" in request[0].parameters else None
    else:
        found = request[2]["parameters"].get("background")
    assert found is (True if background else None)


def test_types_and_shapes(door: Door) -> None:
    answer = door.infer(call("a", "bb", outputs=(*NUMBERS, SCORES)))
    found = {name: (array.dtype, array.shape) for name, array in answer.arrays.items()}
    assert found == {
        "label_id": (np.dtype(np.int32), (2, 1)),
        "score": (np.dtype(np.float32), (2, 1)),
        "tokens": (np.dtype(np.int32), (2, 1)),
        "truncated": (np.dtype(np.bool_), (2, 1)),
        "scores": (np.dtype(np.float32), (2, 3)),
    }
    assert [p.label for p in predictions(["a", "bb"], answer, LABELS)] == ["so: so", "positive"]


def test_only_the_outputs_asked_for(door: Door) -> None:
    assert set(door.infer(call("a", outputs=("score",))).arrays) == {"score"}


def test_the_classification_extension(door: Door) -> None:
    answer = door.infer(call("four", outputs=(SCORES,), class_count=1_000_000))
    assert answer.arrays[SCORES].tolist() == [[b"0.750000:1:so: so", b"0.125000:0:negative", b"0.125000:2:positive"]]
    assert parse_labels(answer) == LABELS


def test_readiness(door: Door) -> None:
    assert door.ready("sentiment") is True
    assert door.ready("sentiment", "2") is True
    assert door.ready("nothing") is False


def test_a_call_that_takes_too_long(door: Door) -> None:
    begun = time.monotonic()
    with pytest.raises(DeadlineExceeded, match="model 'sentiment'"):
        door.infer(call("sleep:4", timeout=0.2))
    assert time.monotonic() - begun < 3


@pytest.mark.parametrize(
    ("status", "words", "kind"),
    [
        ("INVALID_ARGUMENT 400", "text 0 is silly", InvalidInput),
        ("UNAVAILABLE 503", "Exceeds maximum queue size", QueueFull),
        ("UNAVAILABLE 503", "Request timeout expired", DeadlineExceeded),
        ("INTERNAL 500", "Stub process 'x' is not healthy.", InferenceFailed),
        ("NOT_FOUND 404", "Request for unknown model: 'x' has no available versions", Unavailable),
    ],
)
def test_refusals(door: Door, status: str, words: str, kind: type[TritextError]) -> None:
    grpc_status, http_status = status.split()
    chosen = grpc_status if door.url.startswith("grpc") else http_status
    with pytest.raises(kind, match=words.rstrip(".")) as caught:
        door.infer(call(f"refuse:{chosen}:{words}"))
    assert type(caught.value) is kind


def test_nobody_at_home(door: Door) -> None:
    nobody = Door(door.url.split("://")[0] + "://127.0.0.1:1", door.by_loop, None)
    for ask in (lambda: nobody.infer(call("a")), lambda: nobody.ready("sentiment")):
        with pytest.raises(Unavailable, match="is the server up"):
            ask()


def test_the_api_key_is_sent(door: Door) -> None:
    door.infer(call("a"), api_key="secret")
    door.ready("sentiment", api_key="secret")
    assert [headers["authorization"] for _, headers, *_ in door.fake.requests] == ["Bearer secret"] * 2


def test_no_key_no_header(door: Door) -> None:
    door.infer(call("a"))
    assert "authorization" not in door.fake.requests[0][1]


def test_a_whole_client(door: Door) -> None:
    with Client(door.url, max_batch_size=3) as client:
        found = client.classify(HARD_TEXTS, scores=True)
    assert tuple(p.text for p in found) == HARD_TEXTS
    assert [p.tokens for p in found] == [len(text) for text in HARD_TEXTS]
    assert all(tuple(p.scores or ()) == LABELS for p in found)


def test_a_whole_client_on_a_loop(door: Door) -> None:
    async def main() -> list[Prediction]:
        async with AsyncClient(door.url, max_batch_size=3) as client:
            await client.wait_until_ready(5)
            return await client.classify(HARD_TEXTS)

    assert [(p.text, p.tokens) for p in asyncio.run(main())] == [(text, len(text)) for text in HARD_TEXTS]
