"""The page: a certificate and what was tried in, one HTML file that needs nothing else out.

The template writes and escapes; the pictures come from ``matrix`` and ``charts``; nothing is computed here but words.
"""

import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

# Where they are missing the command does not load, and says what to install.
from jinja2 import DictLoader, Environment, StrictUndefined, Template
from markupsafe import Markup

from tritext_export.certificate import Certificate, Figures
from tritext_export.certificate.wording import decimal, percent, small
from tritext_export.report.charts import Row, draw_agreement, draw_candidates, draw_reliability
from tritext_export.report.labels import shown_lines
from tritext_export.report.matrix import draw_matrix, given_labels, shown_labels, worst_pairs
from tritext_export.report.svg import clipped
from tritext_export.trial import Trial

MAX_TEXT_CHARACTERS = 400
NONE = "–"
# Control characters and halves of pairs, which HTML forbids or UTF-8 cannot write: let them be seen.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
# From here on two matrices no longer stand side by side.
WIDE_LABELS = 6


def render(certificate: Certificate, trials: Sequence[Trial]) -> str:
    """Write the report.

    Args:
        certificate: The certificate, passed or not.
        trials: Every candidate that was measured; none where only one form was asked for.

    Returns:
        One self-contained HTML page: no script, nothing loaded from elsewhere.
    """
    lines = shown_lines(certificate)
    labels = [line.label for line in lines] or shown_labels(certificate)
    classified = certificate.agreement is not None
    pictures = _pictures(certificate, labels) if classified else {"matrices": (), "reliabilities": (), "agreement": ""}
    page: str = _template().render(
        c=certificate,
        style=Markup(_resource("style.css")),  # noqa: S704  # our own file
        summary=_summary(certificate),
        sizes=_enumerated([str(batch.size) for batch in certificate.batches]),
        difference="|Δp|" if classified else "|Δ|",
        hidden_labels=len(labels) < len(certificate.labels),
        shown_labels=len(labels),
        wide=len(labels) > WIDE_LABELS,
        lines=lines,
        counted="pairs of text and label" if certificate.several else "texts",
        pairs=() if certificate.several else worst_pairs(certificate),
        bins=list(zip(certificate.checkpoint_reliability, certificate.export_reliability, strict=True)),
        slices=_slices(certificate),
        trials=trials,
        candidates=draw_candidates(trials),
        **pictures,
    )
    return _UNSEEN.sub("\N{REPLACEMENT CHARACTER}", page)


def _pictures(certificate: Certificate, labels: Sequence[str]) -> dict[str, Any]:
    after = f"Export, in batches of {certificate.worst_batch_size}"
    error = certificate.checkpoint_calibration_error
    worst = next(batch for batch in certificate.batches if batch.size == certificate.worst_batch_size)
    confusions = (
        ("before", "Checkpoint", certificate.checkpoint_confusion),
        ("after", after, certificate.export_confusion),
    )
    columns = given_labels(certificate, labels)
    reliabilities = (
        ("honest-before", "Checkpoint", certificate.checkpoint_reliability, error),
        ("honest-after", after, certificate.export_reliability, worst.export_calibration_error),
    )
    rows = [Row(name, f.texts, f.agreement) for name, f in _slices(certificate) if f.agreement is not None]
    return {
        "matrices": [
            (heading, draw_matrix(name, f"Confusion matrix: {heading}", cells, labels, columns))
            for name, heading, cells in confusions
            if not certificate.several
        ],
        "reliabilities": [
            (
                f"{heading}: calibration error {NONE if error is None else decimal(error)}",
                draw_reliability(name, f"Reliability diagram: {heading}", bins, error, several=certificate.several),
            )
            for name, heading, bins, error in reliabilities
        ],
        "agreement": draw_agreement(rows, certificate.limits.agreement),
    }


def _slices(certificate: Certificate) -> list[tuple[str, Figures]]:
    lengths = [(f"≤ {bucket.longest} tokens", bucket) for bucket in certificate.buckets]
    sizes = [(f"batches of {batch.size}", batch) for batch in certificate.batches]
    return [("all", certificate), *lengths, *sizes]


def _summary(certificate: Certificate) -> str:
    if not certificate.passed:
        return "The export was not published."
    if certificate.agreement is None:
        return "The export gives the checkpoint's scores, within the limits."
    if not certificate.flip_count:
        return "Every text kept the checkpoint's label, in every batch."
    return f"{certificate.flip_count:,} of {certificate.texts:,} labels changed, which is within the limits."


def _enumerated(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else words[0]


def _text(words: str) -> str:
    return clipped(words, MAX_TEXT_CHARACTERS)


def _or_none(write: Any) -> Any:
    return lambda value: NONE if value is None else write(value)


@cache
def _template() -> Template:
    environment = Environment(
        loader=DictLoader({"page.html": _resource("page.html")}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = {"decimal": decimal, "percent": percent, "small": small, "places": lambda value: f"{value:.2f}"}
    environment.filters |= {name: _or_none(write) for name, write in filters.items()} | {"text": _text}
    return environment.get_template("page.html")


def _resource(name: str) -> str:
    return files("tritext_export.report").joinpath(name).read_text(encoding="utf-8")
