"""The choice among candidates: who is tried, who is measured, and the fastest of those that passed."""

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Silent
from tests.export.traced import WIDE
from tests.families import TEXTS, make_family
from tritext_export import checkpoint, selection
from tritext_export.candidates import Candidate, candidates_for
from tritext_export.errors import EngineError, GraphError, TextsError
from tritext_export.graph import export_onnx
from tritext_export.judge import Judge, encode
from tritext_export.labelled import Example, write_tsv
from tritext_export.request import ExportRequest
from tritext_export.selection import Tried, try_candidates
from tritext_export.sources import resolve
from tritext_export.trial import Trial
from tritext_export.variants import Traced, Variants

ANYTHING = {
    "agreement": 0.0,
    "max_probability_difference": 1.0,
    "accuracy_drop": 1.0,
    "unstable": 1000.0,
    "calibration_error_increase": 1.0,
}
FP32 = Candidate("fp32", "cpu", "fp32")


class Bench:
    """A small model, and everything that a choice needs."""

    def __init__(self, folder: Path, **limits: float) -> None:
        loaded = checkpoint.load(resolve(str(make_family("bert", folder / "source", **WIDE))))
        examples = [Example(text, ("negative", "positive")[i % 2]) for i, text in enumerate(TEXTS)]
        write_tsv(folder / "texts.tsv", examples)
        (folder / "tokenizer.json").write_text(loaded.tokenizer.backend_tokenizer.to_str())
        encoded = encode(loaded, folder / "tokenizer.json", examples, 64)
        request = ExportRequest("m", "m", folder, folder / "texts.tsv", limits=ANYTHING | limits)
        self.pad = int(loaded.tokenizer.pad_token_id)
        self.judge = Judge(request, loaded, ("negative", "positive"), "softmax", examples, encoded, Silent())
        traced = Traced(export_onnx(loaded, folder, 17), self.pad, 40, 64)
        self.variants = Variants(traced, lambda: encoded, "softmax", (), Silent())

    def choose(self, *groups: tuple[Candidate, ...]) -> tuple[Tried, tuple[Trial, ...]]:
        """Try groups of candidates."""
        return try_candidates(groups, self.variants, self.judge, self.pad)


@pytest.fixture
def costs(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Costs by name, as if they had been measured: which is faster must not depend on this machine's day."""
    given: dict[str, float] = {}
    monkeypatch.setattr(selection, "measure_cost", lambda files, *_: {name: given.get(name, 9.0) for name in files})
    return given


@pytest.mark.parametrize(("int8", "chosen"), [(1.0, "int8"), (3.0, "fp32")])
def test_the_fastest_is_chosen(tmp_path: Path, costs: dict[str, float], int8: float, chosen: str) -> None:
    costs |= {"int8": int8, "fp32": 2.0}
    found, trials = Bench(tmp_path).choose(*candidates_for("cpu", "auto"))
    assert found.candidate.name == chosen
    assert [(t.name, t.milliseconds, t.chosen) for t in trials] == [
        ("int8", int8, chosen == "int8"),
        ("fp32", 2.0, chosen == "fp32"),
    ]
    assert all(trial.bytes > 0 and trial.passed for trial in trials)


@pytest.mark.parametrize(("measured", "chosen"), [(True, "fp32"), (False, "fp16")], ids=["on a GPU", "without one"])
def test_for_a_gpu_both_forms_are_tried_and_the_fastest_measured_is_chosen(
    tmp_path: Path, costs: dict[str, float], monkeypatch: pytest.MonkeyPatch, measured: bool, chosen: str
) -> None:
    costs |= {"fp16": 3.0, "fp32": 2.0}
    monkeypatch.setattr(selection, "can_measure", lambda target: measured)
    found, trials = Bench(tmp_path).choose(*candidates_for("gpu", "auto"))
    assert found.candidate.name == chosen
    assert [(t.name, t.passed, t.milliseconds, t.chosen) for t in trials] == [
        ("fp16", True, 3.0 if measured else None, chosen == "fp16"),
        ("fp32", True, 2.0 if measured else None, chosen == "fp32"),
    ]


def test_the_fastest_does_not_win_without_its_certificate(tmp_path: Path, costs: dict[str, float]) -> None:
    """No int8 keeps probabilities within 1e-4; the labels alone ask for no caution, so all int8 are one file."""
    costs |= dict.fromkeys((c.name for c in candidates_for("cpu", "int8")[0]), 1.0) | {"fp32": 2.0}
    bench = Bench(tmp_path, max_probability_difference=1e-4, agreement=0.0)
    built: list[Candidate] = []
    build = bench.variants.build
    bench.variants.build = lambda candidate, agreement: built.append(candidate) or build(candidate, agreement)  # type: ignore[method-assign, func-returns-value]
    found, trials = bench.choose(*candidates_for("cpu", "auto"))
    assert found.candidate.name == "fp32"
    assert [c for group in candidates_for("cpu", "auto") for c in group] == built, "the cautious after the bold"
    assert 2 <= len(trials) < len(built), "one that is another byte for byte is not asked again"
    assert not any(trial.passed for trial in trials[:-1])
    assert [trial.chosen for trial in trials] == [False] * (len(trials) - 1) + [True]


def test_where_none_passes_none_is_chosen(tmp_path: Path, costs: dict[str, float]) -> None:
    found, trials = Bench(tmp_path, max_probability_difference=-1.0).choose((FP32,))
    assert not found.certificate.passed
    assert [trial.chosen for trial in trials] == [False]
    assert "max |Δp|" in trials[0].reason


def test_one_candidate_in_fp32_is_not_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(selection, "measure_cost")
    assert Bench(tmp_path).choose((FP32,))[1][0].milliseconds is None


@pytest.mark.parametrize("error", [GraphError("int8: no"), EngineError("fp16: no")])
def test_a_form_that_cannot_be_made_leaves_the_others(
    tmp_path: Path, costs: dict[str, float], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    bench = Bench(tmp_path)
    real = bench.variants.build

    def build(candidate: Candidate, agreement: float) -> Any:
        if candidate.precision == "int8":
            raise error
        return real(candidate, agreement)

    monkeypatch.setattr(bench.variants, "build", build)
    found, trials = bench.choose(*candidates_for("cpu", "auto"))
    assert found.candidate.name == "fp32"
    assert [(t.name, t.passed, t.reason) for t in trials] == [("int8", False, str(error)), ("fp32", True, "")]
    with pytest.raises(type(error), match=str(error)):
        bench.choose(*candidates_for("cpu", "int8"))


def test_without_texts_to_calibrate_on_fp32_serves(tmp_path: Path, costs: dict[str, float]) -> None:
    bench = Bench(tmp_path)
    bench.variants = Variants(bench.variants._traced, list, "softmax", (), Silent())
    found, trials = bench.choose(*candidates_for("cpu", "auto"))
    assert found.candidate.name == "fp32"
    assert (trials[0].precision, trials[0].passed) == ("int8", False)
    assert "texts to calibrate on" in trials[0].reason
    with pytest.raises(TextsError, match="texts to calibrate on"):
        bench.choose(*candidates_for("cpu", "int8"))
