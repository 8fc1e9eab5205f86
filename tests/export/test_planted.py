"""Bad exports, really planted in real files on the real path: each is refused with its reason, nothing is published."""

import resource
import signal
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BertForSequenceClassification

from tests.conftest import Silent, load_json
from tests.export import damage
from tests.export.conftest import WORDS, MakeCheckpoint, tiny_tokenizer
from tritext_export import graph, session
from tritext_export.certificate import limits_for
from tritext_export.errors import CertificateError, ExportError, SourceError
from tritext_export.export import export_model
from tritext_export.request import EDITS, ExportRequest

INT8 = asdict(limits_for("int8"))
FP16 = asdict(limits_for("fp16"))
# The planted layer has one scale for the activations of a whole batch, which every token left out changes: its tests
# leave the graph unedited.
Plant = Callable[[Callable[[Path], None]], None]


@pytest.fixture
def request_(make_checkpoint: MakeCheckpoint, tiny_texts: Path, tmp_path: Path) -> ExportRequest:
    """A request that succeeds until something is planted."""
    return ExportRequest(
        str(make_checkpoint()), "tiny", tmp_path / "repository", tiny_texts, report=tmp_path / "evidence"
    )


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Plant:
    """Damage the ONNX file between its export and everything that is done with it."""
    real = graph.export_onnx

    def plant(harm: Callable[[Path], None]) -> None:
        def export(*arguments: Any) -> Path:
            path = real(*arguments)
            harm(path)
            return path

        monkeypatch.setattr(graph, "export_onnx", export)

    return plant


def refused(request: ExportRequest, error: type[ExportError], words: str) -> None:
    """Check that an export is refused for a reason, and leaves the repository as it was."""
    with pytest.raises(error, match=words):
        export_model(request, Silent())
    assert not (request.repository / request.name).exists()


def evidence(request: ExportRequest) -> tuple[dict[str, Any], str]:
    """Read what a refusal left outside the repository."""
    assert request.report is not None
    return load_json(request.report / "certificate.json"), (request.report / "report.html").read_text("utf-8")


def test_a_well_quantised_layer_passes(request_: ExportRequest, plant: Plant) -> None:
    plant(damage.quantise_one_layer)
    assert export_model(replace(request_, limits=INT8, without=EDITS), Silent()).fresh
    content, page = evidence(request_)
    assert content["passed"]
    assert content["max_probability_difference"] > 1e-5, "the layer is quantised"
    assert "✓ Passed." in page


def test_a_quantised_layer_with_a_wrong_scale(request_: ExportRequest, plant: Plant) -> None:
    plant(lambda path: damage.quantise_one_layer(path, factor=4))
    words = r"label agreement \S+ \(required: ≥ 99\.50%\).*Nothing was published; the evidence is in"
    refused(replace(request_, limits=INT8, without=EDITS), CertificateError, words)
    content, page = evidence(request_)
    assert not content["passed"]
    assert content["flip_count"] > 0
    assert "✗ Refused." in page
    assert f"Texts whose answer changed in any batch: {content['flip_count']}" in page


def test_an_fp16_overflow(request_: ExportRequest, plant: Plant, tmp_path: Path) -> None:
    plant(damage.round_to_half)
    assert export_model(replace(request_, limits=FP16), Silent()).fresh, "in range, rounding alone does no harm"
    source = outgrow_half_precision(Path(request_.source), tmp_path / "large")
    overflowing = replace(request_, source=str(source), limits=FP16, name="large")
    refused(overflowing, CertificateError, r"NaN or infinity \d+ \(required: 0\).*overflowed on the way, as fp16 does")
    content, page = evidence(overflowing)
    assert content["broken"] > 0
    assert content["max_probability_difference"] is None
    assert "overflowed on the way" in page


def outgrow_half_precision(source: Path, target: Path) -> Path:
    """Let one layer's activations pass 65,504, and the next layer bring them back: nothing that fp32 would notice."""
    model = BertForSequenceClassification.from_pretrained(source)
    layer = model.bert.encoder.layer[0]
    with torch.no_grad():
        layer.intermediate.dense.weight *= 3e4
        layer.intermediate.dense.bias *= 3e4
        layer.output.dense.weight /= 3e4
    model.save_pretrained(target)
    tiny_tokenizer().save_pretrained(target)
    return target


def test_swapped_labels(request_: ExportRequest, plant: Plant) -> None:
    plant(damage.swap_labels)
    words = (
        r"label agreement 0\.00%.*the labels are swapped: where the checkpoint says 'positive' the export says 'negat"
    )
    refused(request_, CertificateError, words)
    assert evidence(request_)[0]["flip_count"] == 240


def test_a_tokenizer_file_of_another_model(request_: ExportRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    class Exchanged(session.ExportedTokenizer):
        """The published file, overwritten with another model's on the way."""

        def __init__(self, path: Path, *arguments: Any, **more: Any) -> None:
            other = path.read_text("utf-8").replace(f'"{WORDS[0]}"', '"?"').replace(f'"{WORDS[1]}"', f'"{WORDS[0]}"')
            path.write_text(other, encoding="utf-8")
            super().__init__(path, *arguments, **more)

    monkeypatch.setattr(session, "ExportedTokenizer", Exchanged)
    refused(request_, SourceError, r"tokenizer\.json reads '.*good.*' otherwise than the checkpoint does")


def test_a_checkpoint_with_the_tokenizer_of_a_larger_model(request_: ExportRequest, tmp_path: Path) -> None:
    source = Path(request_.source)
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    for path in source.iterdir():
        (foreign / path.name).write_bytes(path.read_bytes())
    tokenizer = (foreign / "tokenizer.json").read_text("utf-8")
    (foreign / "tokenizer.json").write_text(tokenizer.replace(f'"{WORDS[0]}": 4', f'"{WORDS[0]}": 30000'), "utf-8")
    words = r"reads '.*good.*' as token 30000, its model knows 14 tokens only: the tokenizer belongs to another model"
    refused(replace(request_, source=str(foreign)), SourceError, words)


def test_a_model_that_breaks_off_is_told_without_a_trace(
    request_: ExportRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_off(self: object, encoded: object) -> None:
        raise RuntimeError("Non-zero status code returned while running Gather node\nand more")

    monkeypatch.setattr(session.ExportedModel, "logits", break_off)
    refused(request_, CertificateError, r"asking fp32, 1 a batch: it broke off at 1 texts of up to \d+ tokens: Non")


def test_evidence_stays_out_of_the_repository(request_: ExportRequest) -> None:
    refused(
        replace(request_, report=request_.repository / "tiny" / "report"), SourceError, "--report .* in the repository"
    )


def test_evidence_that_cannot_be_written_keeps_the_verdict(request_: ExportRequest, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused(
        replace(request_, report=tmp_path / "file" / "below"),
        CertificateError,
        r"certificate passed: 100\.00%.*Not a directory: the evidence could not be written",
    )


def test_evidence_that_does_not_fit_leaves_the_older_whole(request_: ExportRequest, tmp_path: Path) -> None:
    """The kernel's limit on a file's size stops a write half-way, as a full disk does."""
    export_model(request_, Silent())
    before = evidence(request_)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (512, hard))
        with pytest.raises(CertificateError, match="File too large"):
            export_model(request_, Silent())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, old)
    assert evidence(request_) == before
    assert {path.name for path in (tmp_path / "evidence").iterdir()} == {"certificate.json", "report.html"}


def test_a_standing_version_hands_out_its_evidence(request_: ExportRequest, tmp_path: Path) -> None:
    first = export_model(request_, Silent())
    elsewhere = tmp_path / "elsewhere"
    assert not export_model(replace(request_, report=elsewhere), Silent()).fresh
    for name in ("certificate.json", "report.html"):
        assert (elsewhere / name).read_bytes() == (first.directory / name).read_bytes()


def test_other_limits_or_an_older_certificate_are_reason_to_export_again(request_: ExportRequest) -> None:
    assert export_model(request_, Silent()).version == 1
    assert export_model(replace(request_, limits={"agreement": 0.9}), Silent()).version == 2
    make_older(request_.repository, 2)
    assert export_model(replace(request_, limits={"agreement": 0.9}), Silent()).version == 3


def make_older(repository: Path, version: int) -> None:
    """Put a certificate as version 0.1 wrote it in the place of a published one, hash and all."""
    import json

    from tritext_export.sources import sha256

    directory = repository / "tiny" / str(version)
    old = {"texts": 240, "limits": {"agreement": 1.0}, "agreement": 1.0, "buckets": [], "flips": [], "passed": True}
    (directory / "certificate.json").write_text(json.dumps(old))
    manifest = load_json(directory / "manifest.json")
    manifest["files"][f"tiny/{version}/certificate.json"] = sha256(directory / "certificate.json")
    (directory / "manifest.json").write_text(json.dumps(manifest))
