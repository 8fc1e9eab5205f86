"""`demo/graphs.py` on a small model: every form is made, asked and measured; of its figures only the exact are held."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from tests.conftest import ROOT, load_json
from tests.families import TEXTS, make_family
from tritext_export.labelled import Example, split_of, write_tsv

INT8 = {"int8, chosen", "int8, chosen, without edits", "int8, chosen, without packed"}
FORMS = {"fp32, plain export", "int8, default dynamic", "fp32, edited", *INT8}
EDITS = ("settled-shapes", "narrow-mask", "first-token", "cpu-fusions", "packed")
ABLATIONS = {f"fp32, without {edit}" for edit in EDITS}
NOT_KEPT = {
    "fp32, BiasGelu fused",
    "fp32, int32 inputs",
    "int8, dynamic on the edited graph",
    "int8, static QDQ",
    "int8, SmoothQuant",
    "int8, MatMulNBits",
}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "demo/graphs.py", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=600, cwd=ROOT)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model, its dense layers large enough for int8."""
    return make_family("bert", tmp_path_factory.mktemp("graphs") / "checkpoint", hidden_size=64, intermediate_size=128)


@pytest.fixture(scope="module")
def texts(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some texts to measure and as many to calibrate on; none that the model is in doubt about."""
    path = tmp_path_factory.mktemp("texts") / "texts.tsv"
    every = [f"{text} {i}" for i in range(14) for text in TEXTS]
    chosen = [t for t in every if split_of(t) in ("test", "dev")]
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    with torch.inference_mode():
        model = AutoModelForSequenceClassification.from_pretrained(checkpoint)
        logits = model(**tokenizer(chosen, padding=True, return_tensors="pt")).logits
    gaps = [positive - negative for negative, positive in logits.tolist()]
    sure = [(t, gap) for t, gap in zip(chosen, gaps, strict=True) if abs(gap) > 2]
    # The model's own labels: on a hundred texts labelled by a rule that it never learnt, calibration is noise.
    write_tsv(path, [Example(t, "positive" if gap > 0 else "negative") for t, gap in sure])
    return path


@pytest.fixture(scope="module")
def report(checkpoint: Path, texts: Path) -> tuple[str, dict[str, Any]]:
    """What it prints and what it writes."""
    folder = checkpoint.parent
    written = folder / "figures.json"
    paths = ["--source", checkpoint, "--texts", texts, "--work", folder / "work", "--json", written]
    result = run(*map(str, paths), "--not-kept")
    assert result.returncode == 0, result.stderr
    return result.stdout, load_json(written)


@pytest.mark.slow
def test_every_form_is_measured_and_printed(report: tuple[str, dict[str, Any]]) -> None:
    said, figures = report
    assert set(figures["forms"]) == FORMS | ABLATIONS | NOT_KEPT
    assert [name for name in figures["forms"] if name not in said] == []
    for form in figures["forms"].values():
        assert set(form["milliseconds"]) == {"16", "1"}
        for key in ("plain fp32 to it", "default dynamic to it"):
            for ratio in form[key].values():
                assert 0 < ratio["low"] <= ratio["high"]
    assert figures["forms"]["fp32, plain export"]["plain fp32 to it"]["16"] == {"value": 1, "low": 1, "high": 1}


@pytest.mark.slow
def test_exact_forms_keep_every_label_and_certified_ones_do_not_look_at_their_neighbours(
    report: tuple[str, dict[str, Any]],
) -> None:
    forms = {name: form["labels"] for name, form in report[1]["forms"].items()}
    for name in forms:
        if name.startswith("fp32"):
            assert forms[name]["agreement"] == 1
            assert forms[name]["unstable"] == 0
            assert forms[name]["difference"] < 1e-4
    for name in INT8:
        assert forms[name]["unstable"] == 0
        assert forms[name]["agreement"] == 1, "fewer than 200 texts: one label is more than the limits allow"


@pytest.mark.slow
def test_the_roofline_counts_no_work_that_the_edits_save(report: tuple[str, dict[str, Any]]) -> None:
    figures = report[1]
    assert 0 < figures["operations"]["edited"] < figures["operations"]["model"]
    for shares in figures["roofline"].values():
        assert 0 < shares["of the edited graph"] < shares["of the whole model"]


@pytest.mark.slow
def test_queues_are_measured_with_and_without_padding(report: tuple[str, dict[str, Any]]) -> None:
    queues = report[1]["queues"]["80 % of 25, 20 % of 180 tokens"]
    assert queues["1"]["computed / real tokens"] == 1
    assert queues["8"]["computed / real tokens"] > queues["64"]["computed / real tokens"] > 1
    for figures in queues.values():
        assert 0 < figures["padded to packed"]["low"] <= figures["padded to packed"]["high"]
    assert "64 texts queued" in report[0]


def test_a_source_that_is_not_there_is_named_without_a_trace(texts: Path, tmp_path: Path) -> None:
    result = run("--source", str(tmp_path / "nothing"), "--texts", str(texts), "--work", str(tmp_path / "work"))
    assert result.returncode == 1
    assert result.stderr.startswith("graphs: ")
    assert "nothing" in result.stderr
    assert "Traceback" not in result.stderr
