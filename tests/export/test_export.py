"""The export from end to end, on small models: what is published, and what is refused."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import pytest
import torch
from transformers import (
    CanineConfig,
    CanineForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from tests.conftest import Silent, load_json
from tests.export.conftest import MakeCheckpoint, tiny_tokenizer
from tritext_export.encoding import Encoded
from tritext_export.errors import CertificateError, ExportError, SourceError, TextsError
from tritext_export.export import choose_labels, export_model
from tritext_export.judge import equal_lengths
from tritext_export.request import ExportRequest
from tritext_export.session import ExportedModel
from tritext_serve.repository import MODEL_FILES, MODEL_FOLDERS, VERSION_FILES


@pytest.fixture
def request_(make_checkpoint: MakeCheckpoint, tiny_texts: Path, tmp_path: Path) -> ExportRequest:
    """A request that succeeds."""
    return ExportRequest(str(make_checkpoint()), "tiny", tmp_path / "repository", tiny_texts)


def test_a_published_version_is_whole(request_: ExportRequest) -> None:
    published = export_model(request_, Silent())
    assert (published.version, published.fresh) == (1, True)
    assert "100.00% of 240 labels agree" in published.line
    manifest = load_json(published.directory / "manifest.json")
    assert manifest["labels"] == ["negative", "positive"]
    assert manifest["activation"] == "softmax"
    assert manifest["max_length"] == 64
    assert manifest["canary"]["label"] == manifest["labels"][manifest["canary"]["label_id"]]
    certificate = load_json(published.directory / "certificate.json")
    assert certificate["passed"]
    assert certificate["texts"] == 240
    assert len(certificate["buckets"]) > 1
    session = ort.InferenceSession(str(request_.repository / "tiny_classifier" / "1" / "model.onnx"))
    assert {node.type for node in session.get_inputs()} == {"tensor(int64)"}
    assert [node.name for node in session.get_outputs()] == ["logits"]


def test_every_file_is_hashed_and_nothing_can_execute(request_: ExportRequest) -> None:
    export_model(request_, Silent())
    files = [p for p in request_.repository.rglob("*") if p.is_file() and p.name != ".lock"]
    assert {p.parent.name for p in files if p.name not in VERSION_FILES | MODEL_FILES} == set(MODEL_FOLDERS)
    assert {p.name for p in files if p.parent.name not in MODEL_FOLDERS} == {
        "config.pbtxt",
        "labels.txt",
        "model.onnx",
        "tokenizer.json",
        "manifest.json",
        "certificate.json",
        "report.html",
        "expectations.json",
    }
    assert not [p for p in files if p.stat().st_mode & 0o111]
    hashed = load_json(request_.repository / "tiny" / "1" / "manifest.json")["files"]
    own = {f"tiny/1/{name}" for name in ("tokenizer.json", "certificate.json", "report.html", "expectations.json")}
    assert own | {"tiny_classifier/1/model.onnx"} == set(hashed)


def test_nothing_changed_nothing_published(request_: ExportRequest) -> None:
    first = export_model(request_, Silent())
    again = export_model(request_, Silent())
    assert (again.version, again.fresh, again.line) == (1, False, first.line)
    assert export_model(replace(request_, force=True), Silent()).version == 2
    assert export_model(replace(request_, max_length=32), Silent()).version == 3


def test_a_disagreeing_export_is_not_published(request_: ExportRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    export_model(request_, Silent())
    real = ExportedModel.logits

    def swapped(self: ExportedModel, encoded: Any) -> npt.NDArray[np.float32]:
        return real(self, encoded)[:, ::-1]

    monkeypatch.setattr(ExportedModel, "logits", swapped)
    with pytest.raises(CertificateError, match="Nothing was published"):
        export_model(replace(request_, force=True), Silent())
    expected = ["1", "config.pbtxt", "configs", "labels.txt"]
    assert sorted(p.name for p in (request_.repository / "tiny").iterdir()) == expected


def test_a_damaged_version_is_published_again(request_: ExportRequest) -> None:
    export_model(request_, Silent())
    (request_.repository / "tiny_classifier" / "1" / "model.onnx").write_bytes(b"")
    assert export_model(request_, Silent()).version == 2
    (request_.repository / "tiny" / "2" / "certificate.json").unlink()
    assert export_model(request_, Silent()).version == 3


def test_an_architecture_that_optimum_cannot_export(request_: ExportRequest, tmp_path: Path) -> None:
    directory = tmp_path / "canine"
    config = CanineConfig(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, num_hash_buckets=64
    )
    CanineForSequenceClassification(config).save_pretrained(directory)
    tiny_tokenizer().save_pretrained(directory)
    with pytest.raises(SourceError, match="no ONNX exporter for 'canine' models"):
        export_model(replace(request_, source=str(directory), labels=("negative", "positive")), Silent())


@pytest.mark.parametrize("kind", ["distilbert", "roberta"])
def test_other_encoders_keep_their_labels_too(request_: ExportRequest, tmp_path: Path, kind: str) -> None:
    size = len(tiny_tokenizer())
    names: dict[str, Any] = {"id2label": {0: "negative", 1: "positive"}, "vocab_size": size, "pad_token_id": 0}
    torch.manual_seed(0)
    model = (
        DistilBertForSequenceClassification(DistilBertConfig(dim=32, n_layers=2, n_heads=2, hidden_dim=64, **names))
        if kind == "distilbert"
        else RobertaForSequenceClassification(
            RobertaConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, **names)
        )
    )
    for parameter in model.parameters():
        parameter.data *= 4
    model.save_pretrained(tmp_path / kind)
    tiny_tokenizer().save_pretrained(tmp_path / kind)
    published = export_model(replace(request_, source=str(tmp_path / kind)), Silent())
    assert load_json(published.directory / "manifest.json")["inputs"] == ["input_ids", "attention_mask"]


def test_limits_that_nothing_can_meet(request_: ExportRequest) -> None:
    with pytest.raises(CertificateError, match=r"max \|Δp\| \S+ \(required: ≤ -1\).*see why with --report DIR"):
        export_model(replace(request_, limits={"max_probability_difference": -1.0}), Silent())
    assert not (request_.repository / "tiny").exists()


@pytest.mark.parametrize(
    ("labels", "problem_type", "activation"),
    [
        (("joy", "anger", "fear"), "multi_label_classification", "sigmoid"),
        (("stars",), "regression", "none"),
    ],
)
def test_the_problem_type_is_honoured(
    make_checkpoint: MakeCheckpoint,
    request_: ExportRequest,
    tmp_path: Path,
    labels: tuple[str, ...],
    problem_type: str,
    activation: str,
) -> None:
    texts = tmp_path / "texts.jsonl"
    texts.write_text(
        "\n".join(json.dumps({"text": f"good film {i}", "label": labels[i % len(labels)]}) for i in range(20))
    )
    source = make_checkpoint(labels, problem_type=problem_type)
    published = export_model(replace(request_, source=str(source), texts=texts), Silent())
    assert load_json(published.directory / "manifest.json")["activation"] == activation
    accuracy = load_json(published.directory / "certificate.json")["export_accuracy"]
    assert (accuracy is None) == (problem_type == "regression")


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"name": "no spaces"}, SourceError, "--name 'no spaces'"),
        ({"name": "../up"}, SourceError, "--name"),
        ({"name": "mood_classifier"}, SourceError, "names ending in _classifier"),
        ({"max_batch_size": 0}, SourceError, "--max-batch-size 0: take 1 to 4096"),
        ({"opset": 99}, SourceError, "--opset 99: take 14 to 20"),
        ({"labels": ("a", "a")}, SourceError, "the label name 'a' is empty, of several lines or there twice"),
        ({"labels": ("a", " ")}, SourceError, "the label name ' ' is empty"),
        ({"label_output": "score"}, SourceError, "--label-output 'score'"),
        ({"max_length": 65}, SourceError, "--max-length 65: the model takes from 2 to 64"),
        ({"labels": ("a",)}, SourceError, r"--labels names 1 labels \(a\), the model has 2"),
        ({"labels": ("good", "bad")}, TextsError, "carry the label 'negative', the model knows 'good', 'bad'"),
        ({"texts": Path("nowhere.tsv")}, TextsError, "nowhere.tsv: No such file"),
        ({"source": "./nowhere"}, SourceError, "no such directory"),
    ],
)
def test_a_request_that_cannot_be_met(
    request_: ExportRequest, changes: dict[str, Any], error: type[ExportError], words: str
) -> None:
    with pytest.raises(error, match=words):
        export_model(replace(request_, **changes), Silent())
    assert not (request_.repository / request_.name).exists()


def test_placeholder_labels_must_be_named() -> None:
    with pytest.raises(SourceError, match="only LABEL_0 to LABEL_1: name them in order with --labels"):
        choose_labels({0: "LABEL_0", 1: "LABEL_1"}, None)
    assert choose_labels({0: "LABEL_0", 1: "LABEL_1"}, ("no", "yes")) == ("no", "yes")
    assert choose_labels({0: "LABEL_0"}, None) == ("LABEL_0",), "a regression's one output needs no name"


def test_a_tokenizer_that_reads_otherwise_is_refused(
    make_checkpoint: MakeCheckpoint, request_: ExportRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tritext_export.session import ExportedTokenizer

    monkeypatch.setattr(ExportedTokenizer, "encode", lambda self, examples: [Encoded([2, 3], [0, 0])] * len(examples))
    with pytest.raises(SourceError, match=r"tokenizer\.json reads .* otherwise than the checkpoint does"):
        export_model(request_, Silent())


def test_texts_of_equal_length_are_grouped() -> None:
    assert equal_lengths([3, 5, 3]) == [[0, 2], [1]]
    assert [len(group) for group in equal_lengths([4] * 40)] == [16, 16, 8]
