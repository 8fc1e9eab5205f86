"""The report of a model that gives several labels at once: label by label, and flips with both sets."""

import numpy as np

from tests.export.pages import Page
from tritext_export.certificate import Certificate, Comparison, Subject, certify, limits_for
from tritext_export.certificate.wording import decimal
from tritext_export.labelled import Example
from tritext_export.report import render
from tritext_export.report.matrix import MAX_LABELS


def certify_several(label_count: int = 4, *, noise: float = 1.0, lost: bool = False) -> Certificate:
    """Certify noise of a model that gives any number of labels at once, on texts that have any number."""
    random = np.random.default_rng(1)
    reference = random.normal(-1, 2, (60, label_count)).astype(np.float32)
    runs = {size: reference + random.normal(0, noise, reference.shape).astype(np.float32) for size in (1, 8)}
    if lost:
        runs[8][::4] = np.nan
    labels = tuple(f"<label {i}>" for i in range(label_count))
    truth = reference + random.normal(0, 1, reference.shape) > 0
    sets = [tuple(name for name, true in zip(labels, row, strict=True) if true) for row in truth]
    examples = [Example(f"t{i}", "|".join(names), labels=names) for i, names in enumerate(sets)]
    comparison = Comparison(examples, [5] * 60, reference, runs, labels, "sigmoid")
    return certify(comparison, limits_for("int8"), Subject("moods", "int8", "t.jsonl", "0", "all"))


def test_several_labels_at_once_are_counted_label_by_label() -> None:
    certificate = certify_several()
    text = render(certificate, ())
    page = Page(text)
    assert len(page.of("svg")) == 3, "two reliability diagrams and agreement, no matrix"
    assert "mistakes" not in page.tables
    rows = page.tables["labels"][2:]
    both = zip(certificate.checkpoint_tallies, certificate.export_tallies, strict=True)
    for row, tallies in zip(rows, both, strict=True):
        counts = [
            figure
            for t in tallies
            for figure in (
                *map(str, (t.true_positives, t.false_positives, t.false_negatives, t.true_negatives)),
                *(f"{share or 0:.2f}" for share in (t.precision, t.recall)),
            )
        ]
        assert row == [tallies[0].label, str(tallies[0].true_positives + tallies[0].false_negatives), *counts]
    words = " ".join(" ".join(page.words).split())
    assert (
        f"checkpoint {decimal(certificate.checkpoint_f1 or 0)}, export {decimal(certificate.export_f1 or 0)}." in words
    )
    assert sum(int(row[1]) for row in page.tables["reliability"][1:]) == 60 * 4
    first, row = certificate.flips[0], page.tables["flips"][1]
    said = [
        ", ".join(f"{k} {decimal(v)}" for k, v in (s or {}).items())
        for s in (first.checkpoint_scores, first.export_scores)
    ]
    assert row[:4] == [first.text, first.true_label, *said]


def test_of_many_labels_given_at_once_those_with_the_most_mistakes_are_listed() -> None:
    certificate = certify_several(30)
    page = Page(render(certificate, ()))
    shown = [row[0] for row in page.tables["labels"][2:]]
    both = zip(certificate.checkpoint_tallies, certificate.export_tallies, strict=True)
    mistakes = {before.label: before.mistakes + after.mistakes for before, after in both}
    assert len(shown) == MAX_LABELS
    assert shown == sorted(shown, key=certificate.labels.index)
    assert min(mistakes[name] for name in shown) >= max(n for name, n in mistakes.items() if name not in shown)
    assert "20 of 30 labels are listed" in render(certificate, ())


def test_several_labels_without_an_answer_are_said_to_have_none() -> None:
    certificate = certify_several(noise=0, lost=True)
    page = Page(render(certificate, ()))
    assert [row[3:5] for row in page.tables["flips"][1:]] == [["NaN or infinity", "–"]] * 15
