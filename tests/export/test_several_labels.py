"""A model that gives any number of labels at once, exported on texts that have none, one or two of them."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import Silent, load_json
from tests.export import damage
from tests.export.conftest import MakeCheckpoint
from tritext_export import checkpoint, graph
from tritext_export.errors import CertificateError, TextsError
from tritext_export.export import export_model
from tritext_export.labelled import Example
from tritext_export.request import ExportRequest
from tritext_export.sources import resolve
from tritext_export.tensorrt.proof import Texts, ask_certified
from tritext_export.tensorrt.source import find_source

LABELS = ("toxic", "threat", "insult")
SETS: tuple[tuple[str, ...], ...] = ((), ("toxic",), ("toxic", "insult"), ("threat",), ())


@pytest.fixture(scope="module")
def source(make_checkpoint: MakeCheckpoint) -> Path:
    """A checkpoint with a sigmoid each."""
    return make_checkpoint(LABELS, problem_type="multi_label_classification")


@pytest.fixture
def request_(source: Path, tiny_examples: tuple[Example, ...], tmp_path: Path) -> ExportRequest:
    """A request on texts with 0, 1 and 2 labels."""
    texts = tmp_path / "texts.jsonl"
    rows = [{"text": e.text, "label": list(SETS[i % len(SETS)])} for i, e in enumerate(tiny_examples[:60])]
    texts.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return ExportRequest(str(source), "moods", tmp_path / "repository", texts, report=tmp_path / "evidence")


def test_texts_with_any_number_of_labels_are_certified(
    request_: ExportRequest, source: Path, tiny_examples: tuple[Example, ...]
) -> None:
    published = export_model(request_, Silent())
    certificate = load_json(published.directory / "certificate.json")
    loaded = checkpoint.load(resolve(str(source)))
    logits = np.concatenate([loaded.logits([one]) for one in loaded.encode(tiny_examples[:60], 64)])
    given = [{name for name, logit in zip(LABELS, row, strict=True) if logit >= 0} for row in logits]
    truth = [set(SETS[i % len(SETS)]) for i in range(60)]
    exact = sum(mine == yours for mine, yours in zip(given, truth, strict=True)) / 60
    hits = sum(len(mine & yours) for mine, yours in zip(given, truth, strict=True))
    f1 = 2 * hits / (sum(map(len, given)) + sum(map(len, truth)))
    assert (certificate["agreement"], certificate["flips"]) == (1, [])
    assert certificate["export_accuracy"] == pytest.approx(exact)
    assert certificate["export_f1"] == pytest.approx(f1)
    counts = {t["label"]: t["true_positives"] + t["false_negatives"] for t in certificate["export_tallies"]}
    assert counts == {"toxic": 24, "threat": 12, "insult": 12}
    assert "How each label is given" in (published.directory / "report.html").read_text("utf-8")
    assert not export_model(request_, Silent()).fresh, "the certificate is read back"


def test_two_swapped_labels_are_refused(request_: ExportRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    real = graph.export_onnx

    def export(*arguments: Any) -> Path:
        path = real(*arguments)
        damage.swap_labels(path)
        return path

    monkeypatch.setattr(graph, "export_onnx", export)
    words = "the labels are swapped: where the checkpoint says 'insult' the export says 'toxic'.*Nothing was published"
    with pytest.raises(CertificateError, match=words):
        export_model(request_, Silent())
    assert not (request_.repository / "moods").exists()
    assert request_.report is not None
    flip = load_json(request_.report / "certificate.json")["flips"][0]
    before, after = flip["checkpoint_scores"], flip["export_scores"]
    assert before.keys() == after.keys()
    assert before["toxic"] == pytest.approx(after["insult"], abs=1e-4)


def test_an_engine_is_compared_on_them_too(request_: ExportRequest) -> None:
    export_model(replace(request_, target="gpu", precision="fp32"), Silent())
    questions = ask_certified(find_source(request_.repository, "moods"), Texts(request_.texts), Silent())
    assert {example.label_set for example in questions.examples} == set(SETS)
    right = {tuple(one.ids): logits for one, logits in zip(questions.encoded, questions.reference, strict=True)}
    certificate = questions.certify(lambda some: np.stack([right[tuple(o.ids)] for o in some]), "fp32", (8,), Silent())
    assert certificate.passed
    assert certificate.checkpoint_tallies == certificate.export_tallies
    assert len(certificate.export_tallies) == len(LABELS)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{"text": "good", "label": ["toxic"]}, {"text": "bad", "label": ["toxic", "rude"]}],
         "in row 2 the texts carry the label 'rude', the model knows 'toxic', 'threat', 'insult'"),
        ([{"text": "good", "label": []}, {"text": "bad", "label": []}], "no text has a label, which proves nothing"),
        ([{"text": "good", "label": ["toxic"]}, {"text": "bad"}], "row 2 has no 'label'"),
    ],
    ids=["unknown", "none at all", "left out"],
)  # fmt: skip
def test_texts_that_do_not_fit_are_refused(request_: ExportRequest, rows: list[dict[str, Any]], words: str) -> None:
    request_.texts.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(TextsError, match=words):
        export_model(request_, Silent())
    assert not (request_.repository / "moods").exists()


def test_a_model_of_one_label_a_text_still_wants_one(request_: ExportRequest, make_checkpoint: MakeCheckpoint) -> None:
    with pytest.raises(TextsError, match=r"row 1 has \[\] for its 'label': give each text one label: none or a list"):
        export_model(replace(request_, source=str(make_checkpoint(LABELS))), Silent())
