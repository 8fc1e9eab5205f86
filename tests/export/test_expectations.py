"""The labels that a load test expects: those of the certificate's run, with ties known as such."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import Silent, load_json
from tests.export.conftest import MakeCheckpoint
from tritext_export.certificate import Activation, Comparison, FloatArray
from tritext_export.expectations import LEAST_NOISE, expect, hash_example, write_expectations
from tritext_export.export import export_model
from tritext_export.labelled import Example
from tritext_export.request import ExportRequest

LABELS = ("negative", "positive")


def compare(alone: list[list[float]], crowded: list[list[float]], activation: Activation = "softmax") -> Comparison:
    """Logits of texts called 0, 1, … alone and in a batch."""
    runs: dict[int, FloatArray] = {1: np.array(alone, np.float32), 8: np.array(crowded, np.float32)}
    examples = [Example(str(i), "negative") for i in range(len(alone))]
    labels = LABELS[: len(alone[0])]
    return Comparison(examples, [1] * len(alone), runs[1], runs, labels, activation)


def test_the_label_alone_is_expected_and_its_least_lead_told() -> None:
    found = expect(compare([[2.0, 0.0], [0.0, 4.0]], [[1.0, 0.0], [0.0, 4.0]]))
    assert found.labels == LABELS
    first, second = (found.texts[hash_example(Example(t, ""))] for t in "01")
    assert (first[0], second[0]) == (0, 1)
    assert first[1] == pytest.approx(np.tanh(0.5), abs=1e-5)  # softmax of a lead of 1 in the crowd, not of 2
    assert second[1] == pytest.approx(np.tanh(2.0), abs=1e-5)
    assert found.noise == pytest.approx(np.tanh(1.0) - np.tanh(0.5), abs=1e-5)


def test_a_label_that_the_batch_changed_is_a_tie() -> None:
    assert list(expect(compare([[2.0, 0.0]], [[0.0, 2.0]])).texts.values()) == [(0, 0.0)]


def test_what_was_no_number_is_not_expected_again() -> None:
    found = expect(compare([[2.0, 0.0], [np.nan, 0.0]], [[2.0, 0.0], [1.0, 0.0]]))
    assert list(found.texts) == [hash_example(Example("0", ""))]
    assert found.noise == LEAST_NOISE


def test_a_single_output_has_a_label_that_nothing_challenges() -> None:
    assert list(expect(compare([[2.0]], [[2.0]], "none")).texts.values()) == [(0, 1.0)]


@given(st.lists(st.tuples(st.text(max_size=4), st.none() | st.text(max_size=4)), unique=True, max_size=30))
def test_texts_and_pairs_never_share_a_hash(items: list[tuple[str, str | None]]) -> None:
    assert len({hash_example(Example(text, "", pair)) for text, pair in items}) == len(items)


def test_where_a_pair_is_cut_matters() -> None:
    assert hash_example(Example("a1:b", "", "c")) != hash_example(Example("a", "", "1:bc"))
    assert hash_example(Example("\ud800", "")) != hash_example(Example("?", ""))


def test_the_file_holds_hashes_and_no_text(tmp_path: Path) -> None:
    write_expectations(tmp_path, expect(compare([[2.0, 0.0]], [[2.0, 0.0]])), "m", 3)
    content = load_json(tmp_path / "expectations.json")
    assert (content["schema"], content["model"], content["version"]) == (1, "m", 3)
    assert content["texts"] == {hash_example(Example("0", "")): [0, 0.761594]}


def test_an_export_publishes_them_with_its_certificate(
    make_checkpoint: MakeCheckpoint, tiny_texts: Path, tmp_path: Path
) -> None:
    published = export_model(ExportRequest(str(make_checkpoint()), "tiny", tmp_path / "r", tiny_texts), Silent())
    content = load_json(published.directory / "expectations.json")
    assert len(content["texts"]) == load_json(published.directory / "certificate.json")["texts"]
    assert {label for label, _ in content["texts"].values()} <= {0, 1}
    assert "tiny/1/expectations.json" in load_json(published.directory / "manifest.json")["files"]


def test_a_version_without_them_is_exported_anew(
    make_checkpoint: MakeCheckpoint, tiny_texts: Path, tmp_path: Path
) -> None:
    request = ExportRequest(str(make_checkpoint()), "tiny", tmp_path / "r", tiny_texts)
    directory = export_model(request, Silent()).directory
    (directory / "expectations.json").unlink()  # as an older tritext left it
    manifest = load_json(directory / "manifest.json")
    del manifest["files"]["tiny/1/expectations.json"]
    (directory / "manifest.json").write_text(json.dumps(manifest))
    assert export_model(request, Silent()).version == 2
