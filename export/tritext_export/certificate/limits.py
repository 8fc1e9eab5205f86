"""What a certificate must show: limits by precision, figures in, one check a limit out. Pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from tritext_export.certificate.figures import Figures
from tritext_export.certificate.wording import decimal, percent, small
from tritext_export.errors import CertificateError

# Shares are quotients of counts; this keeps 199 of 200 from falling short of 0.995.
ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Limits:
    """What a certificate must show to pass.

    Attributes:
        agreement: Least share of texts with the checkpoint's label. Not asked of regression.
        max_probability_difference: Largest difference of any probability; for regression of any output, in standard
            deviations of the checkpoint's outputs.
        accuracy_drop: By how much the accuracy may fall, 0.005 for half a point. Not asked of regression.
        unstable: How many texts may change their label with the batch they stand in.
        calibration_error_increase: By how much the calibration error may rise. Not asked of regression.
    """

    agreement: float = 1.0
    max_probability_difference: float = 1e-4
    accuracy_drop: float = 0.0
    unstable: int = 0
    calibration_error_increase: float = 0.001


_BY_PRECISION: Mapping[str, Limits] = {
    "fp32": Limits(),
    "fp16": Limits(0.998, 0.02, 0.002, 0, 0.01),
    "int8": Limits(0.995, 0.25, 0.005, 0, 0.02),
}


@dataclass(frozen=True, slots=True)
class Check:
    """One limit, held against what was measured.

    Attributes:
        name: What is limited, in words.
        required: The limit, in words.
        measured: The figure.
        passed: Whether it holds.
    """

    name: str
    required: str
    measured: str
    passed: bool

    def __str__(self) -> str:
        """Say it as part of a sentence."""
        return f"{self.name} {self.measured} (required: {self.required})"


def limits_for(precision: str, chosen: Mapping[str, float] | None = None) -> Limits:
    """Give the limits for a precision of the weights.

    Args:
        precision: fp32, fp16 or int8.
        chosen: Limits the user chose, by their names in ``Limits``; they win.

    Raises:
        CertificateError: the precision or a limit is unknown.
    """
    if precision not in _BY_PRECISION:
        raise CertificateError(f"there are no limits for precision {precision!r}: use {', '.join(_BY_PRECISION)}")
    unknown = sorted(set(chosen or ()) - set(Limits.__slots__))
    if unknown:
        raise CertificateError(f"the limit {unknown[0]!r} is unknown: use {', '.join(Limits.__slots__)}")
    return replace(_BY_PRECISION[precision], **dict(chosen or {}))  # type: ignore[arg-type]  # checked names


def check(figures: Figures, limits: Limits) -> tuple[Check, ...]:
    """Hold the figures of all texts against the limits. NaN holds no limit."""
    classified = figures.agreement is not None
    checks = (
        _finite(figures),
        _agreement(figures, limits),
        _difference(figures, limits, "max |Δp|" if classified else "max |Δ| in standard deviations"),
        _accuracy(figures, limits),
        _unstable(figures, limits) if classified else None,
        _calibration(figures, limits),
    )
    return tuple(c for c in checks if c is not None)


def _finite(figures: Figures) -> Check:
    return Check("texts answered with NaN or infinity", "0", f"{figures.broken:,}", figures.broken == 0)


def _agreement(figures: Figures, limits: Limits) -> Check | None:
    if figures.agreement is None:
        return None
    holds = figures.agreement >= limits.agreement - ROUNDING
    return Check("label agreement", f"≥ {percent(limits.agreement)}", percent(figures.agreement), holds)


def _difference(figures: Figures, limits: Limits, name: str) -> Check:
    measured, limit = figures.max_probability_difference, limits.max_probability_difference
    return Check(name, f"≤ {small(limit)}", small(measured), measured <= limit)


def _accuracy(figures: Figures, limits: Limits) -> Check | None:
    before, after = figures.checkpoint_accuracy, figures.export_accuracy
    if before is None or after is None:
        return None
    drop = before - after
    words = f"{decimal(max(drop, 0.0))} ({decimal(before)} to {decimal(after)})"
    return Check("accuracy drop", f"≤ {decimal(limits.accuracy_drop)}", words, drop <= limits.accuracy_drop + ROUNDING)


def _unstable(figures: Figures, limits: Limits) -> Check:
    holds = figures.unstable <= limits.unstable
    return Check("labels that change with the batch", f"≤ {limits.unstable:,}", f"{figures.unstable:,}", holds)


def _calibration(figures: Figures, limits: Limits) -> Check | None:
    before, after = figures.checkpoint_calibration_error, figures.export_calibration_error
    if before is None:
        return None
    after = math.nan if after is None else after
    rise = after - before
    words = f"{decimal(max(rise, 0.0))} ({decimal(before)} to {decimal(after)})"
    required = f"≤ {decimal(limits.calibration_error_increase)}"
    holds = rise <= limits.calibration_error_increase + ROUNDING
    return Check("rise of the calibration error", required, words, holds)
