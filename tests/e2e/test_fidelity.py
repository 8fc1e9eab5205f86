"""The claim itself: through a real Triton, every label is the checkpoint's, whatever stands beside the text."""

import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import pytest

from tests.conftest import ADAPTERS, FloatArray, load_json
from tritext import Client, Prediction
from tritext_export.certificate import probabilities
from tritext_export.labelled import Example
from tritext_serve.server import Server

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(600)]
MAX_DIFFERENCE = 1e-4
LABELS = ("negative", "positive")
MODELS = tuple(ADAPTERS)


@pytest.fixture(scope="module", params=MODELS)
def model(request: pytest.FixtureRequest) -> str:
    """Each of the served models in turn."""
    return str(request.param)


@pytest.fixture(scope="module")
def reference(model: str, checkpoint_logits: Callable[[str], FloatArray]) -> npt.NDArray[np.float64]:
    """The checkpoint's own probabilities, by transformers' own tokenizer, text by text: [1095, 2]."""
    return probabilities(checkpoint_logits(model), "softmax")


@pytest.fixture(scope="module")
def client(model: str, server: Server) -> Client:
    """A client of the model under test."""
    return Client(server.grpc_url, model, timeout=120)


def require_same(predictions: Sequence[Prediction], reference: npt.NDArray[np.float64]) -> None:
    """Every label the checkpoint's, every probability within 1e-4."""
    labels = [LABELS[i] for i in reference.argmax(axis=1)]
    flips = [i for i, (p, label) in enumerate(zip(predictions, labels, strict=True)) if p.label != label]
    assert not flips
    served = np.array([[(p.scores or {})[label] for label in LABELS] for p in predictions])
    assert np.abs(served - reference).max() <= MAX_DIFFERENCE


def test_alone(client: Client, test_examples: Sequence[Example], reference: npt.NDArray[np.float64]) -> None:
    predictions = [client.classify(e.text, scores=True) for e in test_examples]
    require_same(predictions, reference)


def test_in_full_batches(client: Client, test_examples: Sequence[Example], reference: npt.NDArray[np.float64]) -> None:
    require_same(client.classify([e.text for e in test_examples], scores=True), reference)


def test_with_other_lengths_as_neighbours(
    client: Client, test_examples: Sequence[Example], reference: npt.NDArray[np.float64]
) -> None:
    """Texts in random order, between long and empty ones, from many clients at once."""
    chance = random.Random(1)
    order = list(range(len(test_examples)))
    chance.shuffle(order)
    fillers = ["", "so " * 100, "good", *["a film that " * 10] * 8]
    texts = [t for i in order for t in (test_examples[i].text, chance.choice(fillers))]
    requests = [texts[i : i + 10] for i in range(0, len(texts), 10)]

    def ask(request: list[str]) -> list[Prediction]:
        return client.classify(request, scores=True)

    with ThreadPoolExecutor(16) as pool:
        parts = list(pool.map(ask, requests))
    answers = [p for part in parts for p in part]
    require_same(answers[::2], reference[order])


def test_http_gives_what_grpc_gives(server: Server, model: str, test_examples: Sequence[Example]) -> None:
    texts = [e.text for e in test_examples[:100]]
    with Client(server.grpc_url, model) as grpc, Client(server.http_url, model) as http:
        by_grpc, by_http = grpc.classify(texts, scores=True), http.classify(texts, scores=True)
    assert [p.label for p in by_grpc] == [p.label for p in by_http]
    np.testing.assert_allclose([p.score for p in by_grpc], [p.score for p in by_http], atol=1e-6)


def test_accuracy_through_the_server_is_the_recipes(
    client: Client, model: str, test_examples: Sequence[Example]
) -> None:
    predictions = client.classify([e.text for e in test_examples])
    accuracy = sum(p.label == e.label for p, e in zip(predictions, test_examples, strict=True)) / len(test_examples)
    assert accuracy == pytest.approx(load_json(ADAPTERS[model] / "recipe.json")["metrics"]["test_accuracy"], abs=2e-3)
    if model == "sentiment":
        assert accuracy >= 0.84
