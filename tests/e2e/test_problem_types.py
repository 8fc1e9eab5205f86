"""What a classifier can be for, exported and served: one label of many, several at once, a number, pairs of texts.

All models stand behind one server, one process each.
"""

import asyncio
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tests.conftest import Silent, server_options
from tests.e2e import raw
from tests.families import TEXTS, WORDS, make_family
from tritext import AsyncClient, Client, InvalidInput, Prediction
from tritext._cli.main import main
from tritext_export import checkpoint
from tritext_export.export import export_model
from tritext_export.labelled import Example
from tritext_export.request import ExportRequest
from tritext_export.sources import resolve
from tritext_serve.front.metrics import INTERVAL_SECONDS
from tritext_serve.server import Server

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
FloatArray = npt.NDArray[np.float32]
TOLERANCE = 1e-4
MOODS, STARS = ("joy", "anger", "fear"), ("stars",)
INTENTS = tuple(f"intent {i}" for i in range(77))
ENTAILMENT = ("contradiction", "neutral", "entailment")
LONG = " ".join(WORDS * 20)
PAIRS = [*zip(TEXTS, reversed(TEXTS), strict=True), ("", ""), (LONG, "bad"), ("bad", LONG), (LONG, LONG)]
FIRST, SECOND = ([pair[i] for pair in PAIRS] for i in (0, 1))


@dataclass(frozen=True)
class Kind:
    """One model: its family, labels, problem type, and whether it reads pairs."""

    family: str
    labels: tuple[str, ...]
    problem_type: str | None = None
    pairs: bool = False


KINDS = {
    "moods": Kind("bert", MOODS, "multi_label_classification"),
    "stars": Kind("roberta", STARS, "regression"),
    "intents": Kind("distilbert", INTENTS),
    "two": Kind("bert", ("no", "yes")),
    "nli": Kind("bert", ENTAILMENT, pairs=True),
    "nli_roberta": Kind("roberta", ENTAILMENT, pairs=True),
    "nli_deberta": Kind("deberta-v3", ENTAILMENT, pairs=True),
    "similarity": Kind("minilm", STARS, "regression", pairs=True),
}
PAIRED = [name for name, kind in KINDS.items() if kind.pairs]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Their checkpoints."""
    root = tmp_path_factory.mktemp("checkpoints")
    made = {}
    for name, kind in KINDS.items():
        config = {} if kind.problem_type is None else {"problem_type": kind.problem_type}
        made[name] = make_family(kind.family, root / name, kind.labels, **config)
    return made


@pytest.fixture(scope="module")
def kinds(sources: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """All of them behind one server."""
    root = tmp_path_factory.mktemp("kinds")
    for name, kind in KINDS.items():
        texts = root / f"{name}.jsonl"
        rows = [
            {"text": first, "hypothesis": second, "label": true_label(kind, i)}
            for i, (first, second) in enumerate(PAIRS)
        ]
        texts.write_text("".join(json.dumps(row) + "\n" for row in rows))
        request = ExportRequest(
            str(sources[name]), name, root / "repository", texts, pairs=kind.pairs, pair_column="hypothesis"
        )
        export_model(request, Silent())
    with Server(root / "repository", server_options(instances={"": 1})) as server:
        yield server


def true_label(kind: Kind, i: int) -> str | list[str]:
    """What the file calls a text: one label, or for a model that gives several at once none, one or two."""
    if kind.problem_type == "multi_label_classification":
        return list(kind.labels[: i % 3])
    return kind.labels[i % len(kind.labels)]


@pytest.mark.parametrize("name", KINDS)
def test_scores_and_labels_are_the_checkpoint_s(kinds: Server, sources: dict[str, Path], name: str) -> None:
    kind = KINDS[name]
    expected = reference(sources[name], kind)
    for url in (kinds.grpc_url, kinds.http_url):
        with Client(url, name, timeout=60) as client:
            answers = client.classify(FIRST, pairs=SECOND if kind.pairs else None, scores=True)
        given = np.array([[(a.scores or {})[label] for label in kind.labels] for a in answers])
        np.testing.assert_allclose(given, expected, atol=TOLERANCE)
        np.testing.assert_allclose([a.score for a in answers], expected.max(axis=1), atol=TOLERANCE)
        certain = are_certain(expected)
        assert certain.mean() > 0.9
        labels = np.array([kind.labels.index(a.label) for a in answers])
        np.testing.assert_array_equal(labels[certain], expected.argmax(axis=1)[certain])
        assert [a.truncated for a in answers[-4:]] == [False, True, kind.pairs, True]


def test_the_second_text_and_its_place_count(kinds: Server) -> None:
    with Client(kinds.grpc_url, "nli", timeout=60) as client:
        there = client.classify("good film", pairs="dull plot")
        back = client.classify("dull plot", pairs="good film")
        other = client.classify("good film", pairs="bright film")
    assert len({there.score, back.score, other.score}) == 3
    assert (there.text, there.pair) == ("good film", "dull plot")


def test_the_async_client_asks_for_pairs_too(kinds: Server) -> None:
    async def ask() -> list[Prediction]:
        async with AsyncClient(kinds.http_url, "nli", timeout=60) as client:
            return await client.classify(FIRST, pairs=SECOND)

    with Client(kinds.grpc_url, "nli", timeout=60) as client:
        np.testing.assert_allclose(
            [a.score for a in asyncio.run(ask())],
            [a.score for a in client.classify(FIRST, pairs=SECOND)],
            atol=TOLERANCE,
        )


def test_pairs_of_many_requests_batch_and_come_apart_again(kinds: Server) -> None:
    with Client(kinds.grpc_url, "nli", timeout=60) as client, ThreadPoolExecutor(16) as pool:
        together = client.classify(FIRST, pairs=SECOND)
        alone = list(pool.map(lambda pair: client.classify(pair[0], pairs=pair[1]), PAIRS * 2))
        np.testing.assert_allclose([a.score for a in alone], [a.score for a in together] * 2, atol=TOLERANCE)


def test_a_model_for_pairs_wants_two_texts_and_another_one(kinds: Server) -> None:
    for url in (kinds.grpc_url, kinds.http_url):
        with (
            Client(url, "nli", timeout=60) as client,
            pytest.raises(InvalidInput, match=r"missing required input\(s\) \['text_pair'\]"),
        ):
            client.classify("good film")
        with (
            Client(url, "moods", timeout=60) as client,
            pytest.raises(InvalidInput, match="expected 1 inputs but got 2"),
        ):
            client.classify("good film", pairs="dull plot")


def test_what_is_wrong_with_a_second_text_is_told(kinds: Server) -> None:
    second = raw.text_input("a", "b") | {"name": "text_pair"}
    status, answer = raw.infer(kinds.http_url, "nli", [raw.text_input("a"), second])
    assert (status, "batch" in answer["error"]) == (400, True)
    large = raw.text_input("x" * (1 << 20) + "y") | {"name": "text_pair"}
    status, answer = raw.infer(kinds.http_url, "nli", [raw.text_input("a"), large])
    assert status == 400
    assert "text_pair 0 has 1048577 bytes, more than the 1048576 allowed" in answer["error"]


def test_two_large_texts_are_answered_in_time(kinds: Server) -> None:
    with Client(kinds.grpc_url, "nli", timeout=30) as client:
        assert client.classify("good " * 50_000, pairs="bad " * 50_000).truncated


def test_scores_below_nought_do_the_server_no_harm(kinds: Server) -> None:
    """A counter that was to go down once ended the whole server, a second after the answer."""
    with Client(kinds.grpc_url, "stars", timeout=60) as client:
        assert sum(prediction.score for prediction in client.classify(FIRST)) < 0
        time.sleep(2 * INTERVAL_SECONDS)
        assert client.ready()
    deadline = time.monotonic() + 30
    while 'prediction_tokens_count{model="stars"' not in (metrics := raw.get(kinds.metrics_url)[1]):
        assert time.monotonic() < deadline
        time.sleep(INTERVAL_SECONDS / 4)
    assert 'sentiment_score_count{model="stars"' not in metrics


def test_plain_json_and_the_command(kinds: Server, capsys: pytest.CaptureFixture[str]) -> None:
    body = json.dumps({"text": "good film", "text_pair": "dull plot"}).encode()
    status, answer = raw.post(f"{kinds.http_url}/v2/models/nli/generate", body)
    assert status == 200
    words = ["classify", "good film", "--pair", "dull plot", "--url", kinds.grpc_url, "--model", "nli"]
    assert main([*words, "--format", "json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["label"], printed["pair"]) == (answer["label"], "dull plot")
    assert printed["score"] == pytest.approx(answer["score"], abs=TOLERANCE)


def are_certain(expected: FloatArray) -> npt.NDArray[np.bool_]:
    """Which rows have a label whatever rounds a little otherwise, as another machine does."""
    if expected.shape[1] == 1:
        return np.ones(len(expected), np.bool_)
    top = np.sort(expected, axis=1)
    certain: npt.NDArray[np.bool_] = top[:, -1] - top[:, -2] > 2 * TOLERANCE
    return certain


def reference(source: Path, kind: Kind) -> FloatArray:
    """The checkpoint's own scores, FP32 [texts, labels], each text by itself and tokenised by transformers."""
    loaded = checkpoint.load(resolve(str(source)))
    examples = [Example(first, "", second if kind.pairs else None) for first, second in PAIRS]
    encoded = loaded.encode(examples, loaded.max_length)
    logits = np.concatenate([loaded.logits([one]) for one in encoded])
    if kind.problem_type == "regression":
        return logits
    if kind.problem_type == "multi_label_classification":
        return np.asarray(1 / (1 + np.exp(-logits)), np.float32)
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True), np.float32)
