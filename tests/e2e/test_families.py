"""Every encoder family from a checkpoint to a client: exported, certified, served; labels and probabilities compared.

All of them stand in one repository behind one server, one process each.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tests.conftest import Silent, load_json, server_options
from tests.families import FAMILIES, TEXTS, WORDS, make_family
from tritext import Client
from tritext_export import checkpoint
from tritext_export.export import export_model
from tritext_export.labelled import Example
from tritext_export.request import ExportRequest
from tritext_export.sources import resolve
from tritext_serve.server import Server

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
LABELS = ("negative", "neutral", "positive")
# Empty, of blanks, unknown to every vocabulary, and longer than the models read.
ODD = ("", " \t ", "Ünïcödé 你好 🙂", "<s> [CLS] </s> [SEP] <pad>", "GOOD film!!", " ".join(WORDS * 30))
TOLERANCE = 1e-4
FloatArray = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A checkpoint of each family."""
    root = tmp_path_factory.mktemp("families")
    return {name: make_family(name, root / name, LABELS) for name in FAMILIES}


@pytest.fixture(scope="module")
def repository(sources: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of them exported."""
    root = tmp_path_factory.mktemp("exported")
    texts = root / "texts.jsonl"
    rows = [{"text": text, "label": LABELS[i % 3]} for i, text in enumerate(TEXTS)]
    texts.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name, source in sources.items():
        export_model(ExportRequest(str(source), name, root / "repository", texts), Silent())
    return root / "repository"


@pytest.fixture(scope="module")
def families(repository: Path) -> Iterator[Server]:
    """All of them behind one server."""
    with Server(repository, server_options(instances={"": 1})) as server:
        yield server


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_answers_as_its_checkpoint_does(families: Server, sources: dict[str, Path], name: str) -> None:
    texts = [*TEXTS, *ODD]
    expected = reference(sources[name], texts)
    for url in (families.grpc_url, families.http_url):
        with Client(url, name, timeout=60) as client:
            answers = client.classify(texts, scores=True)
        given = np.array([[(a.scores or {})[label] for label in LABELS] for a in answers])
        np.testing.assert_allclose(given, expected, atol=TOLERANCE)
        top = np.sort(expected, axis=1)
        certain = top[:, -1] - top[:, -2] > 2 * TOLERANCE
        assert certain.mean() > 0.9
        labels = np.array([LABELS.index(a.label) for a in answers])
        np.testing.assert_array_equal(labels[certain], expected.argmax(axis=1)[certain])
        assert len({a.label for a in answers}) > 1
        assert answers[-1].truncated
        assert answers[-1].tokens == checkpoint.load(resolve(str(sources[name]))).max_length


def test_only_those_that_tell_two_texts_apart_get_types(repository: Path) -> None:
    inputs = {name: load_json(repository / name / "1" / "manifest.json")["inputs"] for name in FAMILIES}
    assert {name for name in FAMILIES if "token_type_ids" in inputs[name]} == {"bert", "minilm", "electra", "albert"}


def reference(source: Path, texts: list[str]) -> FloatArray:
    """The checkpoint's own probabilities, FP32 [texts, labels], each text by itself."""
    loaded = checkpoint.load(resolve(str(source)))
    encoded = loaded.encode([Example(text, "") for text in texts], loaded.max_length)
    logits = np.concatenate([loaded.logits([one]) for one in encoded])
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: FloatArray = exponentials / exponentials.sum(axis=1, keepdims=True)
    return probabilities
