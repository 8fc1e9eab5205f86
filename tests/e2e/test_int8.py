"""Int8 on a CPU, on the demo's model and its 1,095 test sentences: the labels of fp32, whoever the neighbours are."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tests.conftest import FloatArray, load_json, server_options
from tritext import Client
from tritext_export.encoding import Encoded
from tritext_export.labelled import Example
from tritext_export.session import ExportedModel, ExportedTokenizer
from tritext_serve.server import Server

# Searching the layers takes minutes on two busy cores.
pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1800)]
LABELS = ("negative", "positive")
BATCHINGS = 20
LARGEST_FILE = 35_000_000


@pytest.fixture(scope="module")
def encoded(int8_repository: Path, test_examples: Sequence[Example]) -> list[Encoded]:
    """The sentences, tokenised by the published tokenizer."""
    front = int8_repository / "sentiment" / "1"
    tokenizer = ExportedTokenizer(front / "tokenizer.json", load_json(front / "manifest.json")["max_length"])
    return tokenizer.encode(test_examples)


@pytest.fixture(scope="module")
def model(int8_repository: Path) -> ExportedModel:
    """The published graph."""
    return ExportedModel(int8_repository / "sentiment_classifier" / "1" / "model.onnx", 0)


@pytest.fixture(scope="module")
def alone(model: ExportedModel, encoded: Sequence[Encoded]) -> npt.NDArray[np.intp]:
    """Labels of the sentences one by one."""
    labels: npt.NDArray[np.intp] = np.concatenate([model.logits([one]) for one in encoded]).argmax(axis=1)
    return labels


def test_int8_was_chosen_and_is_small(int8_repository: Path) -> None:
    manifest = load_json(int8_repository / "sentiment" / "1" / "manifest.json")
    assert manifest["precision"] == "int8"
    assert "first-token" in manifest["graph_edits"]
    assert set(manifest["layers"].values()) <= {"static int8", "int8 per token", "fp32"}
    size = (int8_repository / "sentiment_classifier" / "1" / "model.onnx").stat().st_size
    assert size <= LARGEST_FILE


def test_labels_and_accuracy_are_the_checkpoints(
    alone: npt.NDArray[np.intp], checkpoint_logits: Callable[[str], FloatArray], test_examples: Sequence[Example]
) -> None:
    """Asked of the checkpoint anew, not of the certificate."""
    reference = checkpoint_logits("sentiment").argmax(axis=1)
    truth = np.array([LABELS.index(e.label) for e in test_examples])
    assert (alone == reference).mean() >= 0.995
    assert (alone == truth).mean() >= (reference == truth).mean() - 0.005


def test_no_label_changes_with_its_batch(
    model: ExportedModel, alone: npt.NDArray[np.intp], encoded: Sequence[Encoded]
) -> None:
    chance = np.random.default_rng(3)
    for _ in range(BATCHINGS):
        order = chance.permutation(len(encoded))
        size = int(chance.integers(2, 48))
        for start in range(0, len(order), size):
            rows = order[start : start + size]
            given = model.logits([encoded[row] for row in rows]).argmax(axis=1)
            changed = rows[given != alone[rows]]
            assert not len(changed), f"sentence {changed[0]} changed its label in a batch of {size}"


def test_triton_gives_the_certified_labels(
    int8_repository: Path, alone: npt.NDArray[np.intp], test_examples: Sequence[Example]
) -> None:
    with (
        Server(int8_repository, server_options(instances={})) as server,
        Client(server.grpc_url, timeout=120) as client,
    ):
        served = client.classify([e.text for e in test_examples])
    assert [p.label for p in served] == [LABELS[i] for i in alone]
