"""The certificate itself: a comparison and limits in; figures, flips and a verdict out, as JSON and back. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any

from tritext_export.certificate.calibration import Bin
from tritext_export.certificate.claims import Claims
from tritext_export.certificate.comparison import Activation, Comparison
from tritext_export.certificate.diagnosis import diagnose
from tritext_export.certificate.figures import (
    Batch,
    Bucket,
    Figures,
    batches,
    buckets,
    checkpoint_bins,
    export_bins,
    measure,
    worst_run,
)
from tritext_export.certificate.flips import Cell, Flip, confusion, flipped, flips
from tritext_export.certificate.limits import Check, Limits, check
from tritext_export.certificate.readings import Readings, read
from tritext_export.certificate.tallies import Tally, tally
from tritext_export.certificate.wording import decimal, percent, small
from tritext_export.errors import CertificateError

SCHEMA = 2
# JSON has no NaN: null stands for it in these.
_MAYBE_NAN = (
    "max_probability_difference",
    "mean_probability_difference",
    "max_logit_difference",
    "max_batch_difference",
)


@dataclass(frozen=True, slots=True)
class Subject:
    """What is certified, and on which texts.

    Attributes:
        model: The front's name.
        precision: Of the weights: fp32, fp16 or int8.
        texts_file: Name of the file the texts came from.
        texts_sha256: Its hash.
        split: Which of its splits was used.
    """

    model: str
    precision: str
    texts_file: str
    texts_sha256: str
    split: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate(Figures):
    """How an export compares with its checkpoint on real texts; the figures it inherits are those of all of them.

    Attributes:
        subject: What was compared, and on which texts.
        activation: What turns logits into probabilities.
        labels: Label names in the order of the logits.
        limits: What had to hold.
        buckets: The figures by length.
        batches: The figures by batch size.
        flips: Texts whose label changed, the first fifty.
        flip_count: How many there are.
        worst_batch_size: The run that agrees least; ``export_confusion`` and ``export_reliability`` are of it.
        checkpoint_confusion: The checkpoint's confusion matrix, without its zeros; empty for regression. Of several
            labels at once it has the likeliest, which is the one that the front calls the label.
        export_confusion: The export's.
        checkpoint_reliability: Accuracy by confidence in fifteen bins; empty for regression.
        export_reliability: The export's.
        diagnosis: The likely cause where it did not pass; may be empty.
        checkpoint_tallies: How the checkpoint does label by label, where it gives several at once; else empty.
        export_tallies: The export, in its worst run.
    """

    subject: Subject
    activation: Activation
    labels: tuple[str, ...]
    limits: Limits
    buckets: tuple[Bucket, ...]
    batches: tuple[Batch, ...]
    flips: tuple[Flip, ...]
    flip_count: int
    worst_batch_size: int
    checkpoint_confusion: tuple[Cell, ...]
    export_confusion: tuple[Cell, ...]
    checkpoint_reliability: tuple[Bin, ...]
    export_reliability: tuple[Bin, ...]
    diagnosis: str = ""
    checkpoint_tallies: tuple[Tally, ...] = ()
    export_tallies: tuple[Tally, ...] = ()

    @property
    def several(self) -> bool:
        """Whether a text may have any number of labels."""
        return self.activation == "sigmoid"

    @property
    def checks(self) -> tuple[Check, ...]:
        """Every limit with its figure."""
        return check(self, self.limits)

    @property
    def passed(self) -> bool:
        """Whether every limit holds."""
        return all(c.passed for c in self.checks)

    @property
    def reason(self) -> str:
        """Which limits failed, each with its figure, and the likely cause; empty where it passed."""
        failed = "; ".join(str(c) for c in self.checks if not c.passed)
        return f"{failed}; {self.diagnosis}" if failed and self.diagnosis else failed

    @property
    def line(self) -> str:
        """Say it in one line."""
        verdict = "passed" if self.passed else "FAILED"
        difference = small(self.max_probability_difference)
        if self.agreement is None:
            return f"certificate {verdict}: {self.texts:,} texts, max |Δ| {difference} standard deviations"
        unstable = f", {self.unstable:,} labels change with the batch" if self.unstable else ""
        accuracy = ""
        if self.export_accuracy is not None and self.checkpoint_accuracy is not None:
            kind = "exact-match accuracy" if self.several else "accuracy"
            accuracy = f", {kind} {decimal(self.export_accuracy)} (checkpoint {decimal(self.checkpoint_accuracy)})"
        return (
            f"certificate {verdict}: {percent(self.agreement)} of {self.texts:,} labels agree, "
            f"max |Δp| {difference}{accuracy}{unstable}"
        )

    def to_json(self) -> dict[str, Any]:
        """Give the certificate as JSON's own types, the verdict first; NaN and infinity become null."""
        head = {"schema": SCHEMA, "passed": self.passed, "line": self.line, "reason": self.reason}
        content = asdict(self)
        head |= {key: content.pop(key) for key in ("subject", "activation", "labels", "limits")}
        cleaned: dict[str, Any] = _without_nan(head | content)
        return cleaned

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Certificate":
        """Read what ``to_json`` gave.

        Raises:
            CertificateError: an older tritext wrote it, or it is damaged; the remedy is to export again.
        """
        # Before the tallies, the accuracy of several labels asked for the likeliest one only.
        outdated = stored.get("activation") == "sigmoid" and "export_tallies" not in stored
        if stored.get("schema") != SCHEMA or outdated:
            raise CertificateError("certificate.json was written by another version of tritext: export again")
        try:
            return cls(**_restored(stored))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise CertificateError(f"certificate.json is damaged ({error}): export again") from error


def certify(comparison: Comparison, limits: Limits, subject: Subject) -> Certificate:
    """Compare an export with its checkpoint.

    NaN or infinity in the export's logits never passes.

    Raises:
        CertificateError: there is nothing to compare, or the checkpoint itself answers NaN or infinity.
        TextsError: a text carries a label that the model does not know.
    """
    readings = read(comparison)
    worst = worst_run(readings)
    labels = tuple(comparison.labels)
    figures = measure(readings)
    return Certificate(
        **figures,
        subject=subject,
        activation=comparison.activation,
        labels=labels,
        limits=limits,
        buckets=buckets(readings),
        batches=batches(readings),
        flips=flips(comparison, readings),
        flip_count=len(flipped(readings)),
        worst_batch_size=readings.sizes[worst],
        checkpoint_confusion=confusion(readings.checkpoint.label, readings.truth, labels),
        export_confusion=confusion(readings.exports[worst].label, readings.truth, labels),
        checkpoint_reliability=checkpoint_bins(readings),
        export_reliability=export_bins(readings, worst),
        diagnosis="" if _holds(figures, limits) else diagnose(comparison),
        checkpoint_tallies=_tallies(readings, readings.checkpoint, labels),
        export_tallies=_tallies(readings, readings.exports[worst], labels),
    )


def require(certificate: Certificate, evidence: str = "") -> None:
    """Refuse a certificate that did not pass.

    Args:
        certificate: The certificate.
        evidence: Where the reader finds it whole, in words.

    Raises:
        CertificateError: with every limit that failed, its figure, the likely cause and the first flipped text.
    """
    if certificate.passed:
        return
    example = f"; first flip: {_flip_line(certificate.flips[0])}" if certificate.flips else ""
    raise CertificateError(
        f"{certificate.line}; {certificate.reason}{example}. Nothing was published{evidence and f'; {evidence}'}"
    )


def _holds(figures: Mapping[str, Any], limits: Limits) -> bool:
    return all(c.passed for c in check(Figures(**figures), limits))


def _tallies(readings: Readings, claims: Claims, labels: tuple[str, ...]) -> tuple[Tally, ...]:
    if readings.truth is None or not readings.several:
        return ()
    return tally(claims.given, readings.truth, labels)


def _flip_line(flip: Flip) -> str:
    after = "" if flip.export_score is None else f" {flip.export_score:.2f}"
    return f"{flip.text!r}, {flip.checkpoint} {flip.checkpoint_score:.2f} became {flip.export}{after}"


def _without_nan(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return value


def _restored(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Turn JSON's types into the certificate's."""
    parts: dict[str, Any] = {
        "buckets": Bucket,
        "batches": Batch,
        "flips": _flip,
        "checkpoint_confusion": Cell,
        "export_confusion": Cell,
        "checkpoint_reliability": Bin,
        "export_reliability": Bin,
        "checkpoint_tallies": Tally,
        "export_tallies": Tally,
    }
    # What has a default is younger than the schema: an older certificate goes without.
    wanted = [f.name for f in fields(Certificate) if f.default is MISSING or f.name in stored]
    content = {name: stored[name] for name in wanted}
    for key, part in ((key, part) for key, part in parts.items() if key in content):
        content[key] = tuple(part(**_with_nan(item)) for item in _list(content[key]))
    content["subject"], content["limits"] = Subject(**content["subject"]), Limits(**content["limits"])
    content["labels"] = tuple(content["labels"])
    return _with_nan(content)


def _flip(batch_sizes: Sequence[int], **rest: Any) -> Flip:
    return Flip(batch_sizes=tuple(batch_sizes), **rest)


def _list(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is no list")
    return value


def _with_nan(content: Mapping[str, Any]) -> dict[str, Any]:
    return {key: math.nan if value is None and key in _MAYBE_NAN else value for key, value in content.items()}
