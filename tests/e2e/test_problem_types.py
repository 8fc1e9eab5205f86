"""Multi-label and regression models, exported and served: sigmoid and the bare logit out of a real server."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Silent, server_options
from tests.export.conftest import MakeCheckpoint, make_checkpoint  # noqa: F401  # a fixture
from tritext import Client
from tritext_export import checkpoint
from tritext_export.export import export_model
from tritext_export.request import ExportRequest
from tritext_export.sources import resolve
from tritext_serve.server import Server

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
LABELS = ("joy", "anger", "fear")
TEXTS = ["good film", "the plot", "a very dull film", "", "bright bright bright not bad"]


def test_scores_are_sigmoids_or_the_logit_itself(make_checkpoint: MakeCheckpoint, tmp_path: Path) -> None:  # noqa: F811
    moods = make_checkpoint(LABELS, problem_type="multi_label_classification")
    stars = make_checkpoint(("stars",), problem_type="regression")
    texts = tmp_path / "texts.jsonl"
    texts.write_text("".join(json.dumps({"text": t, "label": "joy"}) + "\n" for t in TEXTS))
    for name, source in (("moods", moods), ("stars", stars)):
        export_model(ExportRequest(str(source), name, tmp_path / "repository", texts), Silent())
    with Server(tmp_path / "repository", server_options(instances={"": 1})) as server:
        with Client(server.grpc_url, "moods", timeout=30) as client:
            answers = client.classify(TEXTS, scores=True)
        logits = reference(moods)
        given = [[(a.scores or {})[label] for label in LABELS] for a in answers]
        np.testing.assert_allclose(given, 1 / (1 + np.exp(-logits)), atol=1e-5)
        assert [a.label for a in answers] == [LABELS[i] for i in logits.argmax(axis=1)]
        with Client(server.http_url, "stars", timeout=30) as client:
            ratings = client.classify(TEXTS)
        np.testing.assert_allclose([a.score for a in ratings], reference(stars)[:, 0], atol=1e-5)
        assert {a.label for a in ratings} == {"stars"}


def reference(source: Path) -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
    """The checkpoint's own logits."""
    loaded = checkpoint.load(resolve(str(source)))
    return np.concatenate([loaded.logits([loaded.tokenizer(text)["input_ids"]]) for text in TEXTS])
