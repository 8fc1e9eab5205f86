"""The report: one whole page, nothing from elsewhere, nothing that a text could do to it, the certificate's figures."""

import errno
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.export.pages import Page
from tritext_export.certificate import Activation, Cell, Certificate, Comparison, Limits, Subject, certify, limits_for
from tritext_export.certificate.wording import decimal, percent, small
from tritext_export.errors import CertificateError
from tritext_export.labelled import Example
from tritext_export.report import evidence as reports
from tritext_export.report import render
from tritext_export.report.matrix import MAX_LABELS, draw_matrix, shown_labels, worst_pairs
from tritext_export.trial import Trial

HOSTILE = "</td><script>alert(1)</script><img src=https://evil.example/x onerror=alert(2)>\x00\x1b[31m{{ 7 * 7 }}&amp;"
TRIALS = (
    Trial("fp32", "fp32", (), 91_000_000, 5.9, 0.85, 1.0, 0, passed=True),
    Trial(
        "int8 <default>", "int8", ("q & k",), 23_000_000, 3.05, 0.84, 0.985, 38, passed=False, reason="agreement <98%"
    ),
    Trial("int8 per token", "int8", ("per token",), 34_500_000, 2.6, 0.85, 0.9963, 0, passed=True, chosen=True),
    Trial("fp16", "fp16", (), 45_500_000, None, None, 1.0, 0, passed=True),
)


def make(
    label_count: int = 3,
    texts: int = 40,
    *,
    noise: float = 1.0,
    activation: Activation = "softmax",
    limits: Limits | None = None,
    text: str = "text",
    names: str = "label",
) -> Certificate:
    """Certify noise, the same every time."""
    random = np.random.default_rng(1)
    reference = random.normal(0, 2, (texts, label_count)).astype(np.float32)
    runs = {size: reference + random.normal(0, noise, reference.shape).astype(np.float32) for size in (1, 8, 32)}
    labels = tuple(f"{names} {i}" for i in range(label_count))
    examples = [Example(f"{text} {i}", labels[i % label_count]) for i in range(texts)]
    comparison = Comparison(examples, [2 + i for i in range(texts)], reference, runs, labels, activation)
    subject = Subject("sentiment", "int8", "reviews.tsv", "ab" * 32, "test")
    return certify(comparison, limits or limits_for("int8"), subject)


def test_the_page_is_whole_and_loads_nothing() -> None:
    text = render(make(), TRIALS)
    page = Page(text)
    assert text.startswith("<!doctype html>")
    assert not page.of("script")
    assert not page.of("link")
    assert not page.of("img")
    assert not re.findall(r"(?:https?:)?//|@import|url\(|\bsrc=|\bhref=", text)
    assert {"http-equiv": "Content-Security-Policy", "content": "default-src 'none'; style-src 'unsafe-inline'"} in (
        page.of("meta")
    )
    assert not [a for _, attributes in page.elements for a in attributes if a.startswith("on")]


def test_a_label_may_hold_any_character() -> None:
    labels = ("a|b", "c")
    drawn = draw_matrix("m", "title", [Cell("a|b", "a|b", 3), Cell("a|b", "c", 1)], labels, labels)
    assert "true a|b, given a|b: 3 of 4 texts" in drawn
    assert "true a|b, given c: 1 of 4 texts" in drawn
    assert drawn.count('class="hit"') == 2, "one for each label"


def test_every_picture_says_what_it_shows_and_ids_are_its_own() -> None:
    page = Page(render(make(), TRIALS))
    pictures = page.of("svg")
    assert len(pictures) == 6, "two matrices, two reliability diagrams, agreement, candidates"
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for picture in pictures:
        assert picture["role"] == "img"
        assert set((picture["aria-labelledby"] or "").split()) <= set(ids)


def test_the_figures_are_those_of_the_certificate() -> None:
    certificate = make()
    page = Page(render(certificate, TRIALS))
    assert page.tables["limits"][1:] == [
        [c.name, "✓ yes" if c.passed else "✗ no", c.required, c.measured] for c in certificate.checks
    ]
    sliced = (certificate, *certificate.buckets, *certificate.batches)
    assert [row[1:3] for row in page.tables["slices"][1:]] == [
        [f"{f.texts}", percent(f.agreement or 0)] for f in sliced
    ]
    assert [row[4:] for row in page.tables["slices"][1:]] == [
        [
            decimal(f.checkpoint_accuracy or 0),
            decimal(f.export_accuracy or 0),
            small(f.max_probability_difference),
            small(f.mean_probability_difference),
            small(f.max_logit_difference),
            decimal(f.checkpoint_calibration_error or 0),
            decimal(f.export_calibration_error or 0),
        ]
        for f in sliced
    ]
    unstable = [str(f.unstable) for f in (certificate, *certificate.buckets)] + ["–"] * 3
    assert [row[3] for row in page.tables["slices"][1:]] == unstable
    assert [row[:6] for row in page.tables["flips"][1:]] == [
        [f.text, f.true_label, f.checkpoint, decimal(f.checkpoint_score), f.export, decimal(f.export_score or 0)]
        for f in certificate.flips
    ]
    assert [[int(n) for n in row[2:]] for row in page.tables["mistakes"][1:]] == [
        [pair.before, pair.after] for pair in worst_pairs(certificate)
    ]
    before = sum(int(row[1]) for row in page.tables["reliability"][1:])
    assert before == certificate.texts


def test_a_refusal_is_said_first_with_every_reason() -> None:
    certificate = make(limits=limits_for("fp32"))
    words = " ".join(" ".join(Page(render(certificate, ())).words).split())
    verdict = words.index("✗ Refused.")
    assert verdict < words.index("The limits.")
    for check in certificate.checks:
        if not check.passed:
            assert f"{check.name}: {check.measured}, required {check.required}" in words


def test_a_pass_is_said_with_what_changed() -> None:
    anything = Limits(0.0, 1.0, 1.0, 100, 1.0)
    changed = make(limits=anything)
    assert f"{changed.flip_count} of 40 labels changed, which is within the limits." in render(changed, ())
    same = make(noise=0.0)
    assert "Every text kept the checkpoint&#39;s label, in every batch." in render(same, ())
    assert "None: every text kept its label in every batch." in render(same, ())


def test_hostile_words_stay_words() -> None:
    text = render(
        make(text=HOSTILE, names=HOSTILE), [Trial(HOSTILE, HOSTILE, (HOSTILE,), 1, 1.0, 1.0, 1.0, 0, False, HOSTILE)]
    )
    page = Page(text)
    assert not page.of("script")
    assert not page.of("img")
    assert "<script" not in text
    assert "\x00" not in text
    assert "\x1b" not in text
    flips = [row[0] for row in page.tables["flips"][1:]]
    assert flips[0].startswith("</td><script>alert(1)</script><img src=")
    assert "{{ 7 * 7 }}&amp;" in flips[0]


@given(st.text(max_size=80), st.text(min_size=1, max_size=30))
@settings(max_examples=25, deadline=None)
def test_any_text_and_any_label_give_a_whole_page(text: str, name: str) -> None:
    certificate = make(2, 6, noise=3.0, text=text, names=name)
    page = Page(render(certificate, ()))
    assert len(page.tables.get("flips", [[]])) - 1 == len(certificate.flips)


def test_candidates_stand_with_cost_size_verdict_and_the_published_one_marked() -> None:
    page = Page(render(make(), TRIALS))
    rows = page.tables["trials"][1:]
    assert rows[0] == ["fp32", "none", "91.0", "5.90", "0.8500", "100.00%", "0", "✓ passed"]
    assert rows[1][-1] == "✗ agreement <98%"
    assert rows[2][0] == "int8 per token (published)"
    assert rows[3][3:5] == ["–", "–"]
    assert "trials" not in Page(render(make(), ())).tables


def test_of_many_labels_the_most_confused_are_drawn() -> None:
    certificate = make(77, 600, noise=0.5)
    shown = shown_labels(certificate)
    assert len(shown) == MAX_LABELS
    assert list(shown) == sorted(shown, key=certificate.labels.index)
    mistakes = dict.fromkeys(certificate.labels, 0)
    for cell in (*certificate.checkpoint_confusion, *certificate.export_confusion):
        if cell.true != cell.given:
            mistakes[cell.true] += cell.texts
            mistakes[cell.given] += cell.texts
    assert min(mistakes[label] for label in shown) >= max(mistakes[label] for label in mistakes if label not in shown)
    text = render(certificate, ())
    assert "20 of 77 labels are drawn" in text
    assert len(Page(text).of("svg")) == 5


@pytest.mark.parametrize("activation", ["sigmoid", "none"])
def test_other_problems_have_pages_too(activation: Activation) -> None:
    certificate = make(1 if activation == "none" else 4, activation=activation)
    page = Page(render(certificate, ()))
    assert ("flips" in page.tables) == (activation == "sigmoid")
    assert bool(page.of("svg")) == (activation == "sigmoid")
    assert len(page.tables["limits"]) == 1 + len(certificate.checks)


def test_texts_without_an_answer_have_a_column_of_their_own() -> None:
    reference = np.random.default_rng(0).normal(0, 2, (20, 3)).astype(np.float32)
    lost = reference.copy()
    lost[::4] = np.nan
    labels = ("a", "b", "c")
    examples = [Example(f"t{i}", labels[i % 3]) for i in range(20)]
    comparison = Comparison(examples, [5] * 20, reference, {1: reference, 8: lost}, labels, "softmax")
    certificate = certify(comparison, limits_for("fp16"), Subject("m", "fp16", "t.tsv", "0", "all"))
    page = Page(render(certificate, ()))
    words: list[Any] = page.words
    assert words.count("NaN or infinity") >= 2, "once in each matrix"
    assert page.tables["slices"][1][6] == "NaN"
    assert [row[5] for row in page.tables["flips"][1:]] == ["–"] * 5


@pytest.mark.parametrize(
    ("number", "remedy"), [(errno.ENOSPC, "free some space"), (errno.EACCES, "choose another folder")]
)
def test_what_keeps_the_evidence_from_its_folder_is_told_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, remedy: str
) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(reports, "write_atomically", refuse)  # a full disk takes root to mount one
    with pytest.raises(CertificateError, match=f"{os.strerror(number)}: the evidence could not be .*: {remedy}$"):
        reports.file_evidence(tmp_path, make(), TRIALS)
