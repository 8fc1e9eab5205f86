"""Any number of labels a text: the figures against their definitions in plain Python, and what a certificate lists."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.export.certificate.compared import ANYTHING, LABELS, SUBJECT, FloatArray, logits_arrays, rows
from tests.export.certificate.compared import compare as compare_single
from tritext_export.certificate import Certificate, Comparison, Limits, certify
from tritext_export.certificate.flips import NO_LABEL
from tritext_export.errors import CertificateError, TextsError
from tritext_export.labelled import Example

Sets = Sequence[tuple[str, ...]]
BINS = 15
drawn_sets = st.lists(
    st.sets(st.sampled_from(LABELS)).map(lambda names: tuple(sorted(names))), min_size=20, max_size=20
)


def compare(truth: Sets, reference: FloatArray, *runs: FloatArray, limits: Limits = ANYTHING) -> Certificate:
    """Certify runs of an export, in batches of 1, 2, 3, …, on texts with the labels of ``truth``."""
    examples = [Example(f"text {i}", "|".join(names), labels=names) for i, names in enumerate(truth)]
    numbered = dict(enumerate(runs, start=1))
    comparison = Comparison(examples, [5] * len(truth), reference, numbered, LABELS, "sigmoid")
    return certify(comparison, limits, SUBJECT)


def given_sets(logits: FloatArray) -> list[set[str]]:
    """The labels that reach one half, text by text."""
    return [{name for name, logit in zip(LABELS, row, strict=True) if logit >= 0} for row in logits.tolist()]


def exact_match(given: Sequence[set[str]], truth: Sets) -> float:
    """Share of texts with their true labels and no other."""
    return sum(mine == set(yours) for mine, yours in zip(given, truth, strict=True)) / len(truth)


def micro_f1(given: Sequence[set[str]], truth: Sets) -> float | None:
    """Harmonic mean of precision and recall over all pairs of a text and a label."""
    hits = sum(len(mine & set(yours)) for mine, yours in zip(given, truth, strict=True))
    claimed, there = sum(map(len, given)), sum(map(len, truth))
    if not claimed and not there:
        return None
    precision, recall = hits / claimed if claimed else 0, hits / there if there else 0
    return 2 * precision * recall / (precision + recall) if hits else 0


def calibration_error(logits: FloatArray, truth: Sets) -> float:
    """Over all pairs of a text and a label: each bin's distance from the diagonal, weighted by its pairs."""
    pairs: dict[int, list[tuple[float, bool]]] = {}
    for row, names in zip(logits.astype(np.float64), truth, strict=True):
        for name, logit in zip(LABELS, row, strict=True):
            probability = float(1 / (1 + np.exp(-logit)))
            place = max(0, int(np.ceil(probability * BINS)) - 1)
            pairs.setdefault(place, []).append((probability, name in names))
    gaps = [abs(sum(p for p, _ in some) - sum(true for _, true in some)) for some in pairs.values()]
    return sum(gaps) / logits.size


@settings(deadline=None, max_examples=60)
@given(logits_arrays, logits_arrays, drawn_sets)
def test_the_figures_are_their_definitions(reference: FloatArray, other: FloatArray, sets: Sets) -> None:
    count = min(len(reference), len(other))
    reference, other, truth = reference[:count], other[:count], sets[:count]
    certificate = compare(truth, reference, reference, other)
    before, after = given_sets(reference), given_sets(other)
    assert certificate.checkpoint_accuracy == pytest.approx(exact_match(before, truth))
    assert certificate.export_accuracy == pytest.approx(min(exact_match(s, truth) for s in (before, after)))
    assert certificate.checkpoint_f1 == pytest.approx(micro_f1(before, truth))
    measured = [f1 for f1 in (micro_f1(before, truth), micro_f1(after, truth)) if f1 is not None]
    assert certificate.export_f1 == (pytest.approx(min(measured)) if measured else None)
    assert certificate.checkpoint_calibration_error == pytest.approx(calibration_error(reference, truth))
    assert sum(b.texts for b in certificate.checkpoint_reliability) == count * len(LABELS)
    same = [
        mine == yours and reference[i].argmax() == other[i].argmax()
        for i, (mine, yours) in enumerate(zip(before, after, strict=True))
    ]
    assert certificate.agreement == pytest.approx(sum(same) / count)
    assert certificate.flip_count == count - sum(same)


@settings(deadline=None, max_examples=60)
@given(logits_arrays, drawn_sets)
def test_the_tallies_count_every_text_once_a_label(logits: FloatArray, sets: Sets) -> None:
    truth = sets[: len(logits)]
    given = given_sets(logits)
    certificate = compare(truth, logits, logits)
    assert certificate.checkpoint_tallies == certificate.export_tallies
    for tally in certificate.checkpoint_tallies:
        pairs = [(tally.label in mine, tally.label in yours) for mine, yours in zip(given, truth, strict=True)]
        expected = [pairs.count(kind) for kind in ((True, True), (True, False), (False, True), (False, False))]
        counted = [tally.true_positives, tally.false_positives, tally.false_negatives, tally.true_negatives]
        assert counted == expected
        claimed, there = expected[0] + expected[1], expected[0] + expected[2]
        assert tally.precision == (expected[0] / claimed if claimed else None)
        assert tally.recall == (expected[0] / there if there else None)


@settings(deadline=None, max_examples=30)
@given(logits_arrays, logits_arrays, drawn_sets)
def test_a_certificate_of_several_labels_survives_json(reference: FloatArray, other: FloatArray, sets: Sets) -> None:
    count = min(len(reference), len(other))
    certificate = compare(sets[:count], reference[:count], other[:count])
    assert Certificate.from_json(json.loads(json.dumps(certificate.to_json(), allow_nan=False))) == certificate


def test_figures_worked_out_by_hand() -> None:
    reference = rows((2, 1, -1), (-1, -2, -3), (-1, 3, -1), (1, 2, -1))
    exported = reference.copy()
    exported[0, 2], exported[3, 1] = 0.5, -2
    certificate = compare((("a", "b"), (), ("a",), ("a", "b")), reference, exported)
    assert (certificate.checkpoint_accuracy, certificate.export_accuracy) == (0.75, 0.25)
    assert certificate.checkpoint_f1 == pytest.approx(2 * 4 / (5 + 5))
    assert certificate.export_f1 == pytest.approx(2 * 3 / (5 + 5))
    assert (certificate.agreement, certificate.flip_count) == (0.5, 2)
    assert certificate.line.endswith("exact-match accuracy 0.2500 (checkpoint 0.7500)")
    first, second = certificate.flips
    assert (first.true_label, first.checkpoint, first.export) == ("a + b", "a + b", "a + b + c")
    assert list(first.checkpoint_scores or {}) == ["a", "b", "c"]
    assert (first.export_scores or {})["c"] == pytest.approx(1 / (1 + np.exp(-0.5)))
    assert (second.checkpoint, second.export) == ("b + a", "a")
    assert (second.export_scores or {}) == pytest.approx({"b": 1 / (1 + np.exp(2)), "a": 1 / (1 + np.exp(-1))})


def test_what_the_front_calls_the_label_is_counted_by_the_true_labels() -> None:
    """Drift is held against it."""
    logits = rows((2, 1, -1), (-1, -2, -3), (-1, 3, -1))
    cells = compare((("a", "b"), (), ("b",)), logits, logits).export_confusion
    assert [(c.true, c.given, c.texts) for c in cells] == [(NO_LABEL, "a", 1), ("a + b", "a", 1), ("b", "b", 1)]


def test_an_answer_that_is_no_number_gives_no_label_and_is_never_right() -> None:
    reference = rows((-1, -2, -3), (2, -1, -1))
    certificate = compare(((), ("a",)), reference, np.full((2, 3), np.nan, np.float32))
    assert (certificate.checkpoint_accuracy, certificate.export_accuracy, certificate.export_f1) == (1, 0, 0)
    assert [t.false_negatives for t in certificate.export_tallies] == [1, 0, 0]
    assert [flip.export_scores for flip in certificate.flips] == [None, None]
    assert not certificate.passed


def test_texts_without_labels_that_are_given_none_have_no_f1() -> None:
    logits = rows((-1, -2, -3))
    certificate = compare(((),), logits, logits)
    assert (certificate.export_accuracy, certificate.export_f1) == (1, None)


def test_a_model_of_one_label_a_text_has_none_of_it() -> None:
    logits = rows((1, 0, 0), (0, 1, 0))
    examples = [Example("x", "a"), Example("y", "b")]
    certificate = certify(Comparison(examples, [3, 3], logits, {1: -logits}, LABELS, "softmax"), ANYTHING, SUBJECT)
    assert certificate.checkpoint_tallies == certificate.export_tallies == ()
    assert certificate.checkpoint_f1 is certificate.export_f1 is None
    assert certificate.flips[0].checkpoint_scores is None


def test_of_certificates_from_before_the_tallies_those_of_one_label_a_text_are_read() -> None:
    """Theirs mean what they meant; the accuracy of several labels was another one."""
    young = ("checkpoint_f1", "export_f1", "checkpoint_tallies", "export_tallies")
    logits = rows((1, 0, 0), (0, 1, 0))

    def older(stored: dict[str, Any]) -> dict[str, Any]:
        old = {key: value for key, value in stored.items() if key not in young}
        for part in ("buckets", "batches"):
            old[part] = [{key: value for key, value in one.items() if key not in young} for one in old[part]]
        return old

    one = compare_single(logits, logits)
    assert Certificate.from_json(older(one.to_json())) == one
    with pytest.raises(CertificateError, match="written by another version of tritext: export again"):
        Certificate.from_json(older(compare((("a",), ("b",)), logits, logits).to_json()))


def test_a_label_that_the_model_does_not_know_is_named_with_its_row() -> None:
    logits = rows((1, 0, 0))
    examples = [Example("x", "a|d", labels=("a", "d"), row=7)]
    with pytest.raises(TextsError, match="in row 7 the texts carry the label 'd', the model knows 'a', 'b', 'c'"):
        certify(Comparison(examples, [3], logits, {1: logits}, LABELS, "sigmoid"), ANYTHING, SUBJECT)
