"""The choice among candidates: each built, certified and measured; the fastest that passed out."""

import filecmp
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tritext_export.candidates import Candidate
from tritext_export.certificate import Certificate, limits_for
from tritext_export.cost import can_measure, measure_cost
from tritext_export.errors import CertificateError, EngineError, GraphError, TextsError
from tritext_export.expectations import Expectations
from tritext_export.judge import Judge
from tritext_export.manifest import Canary
from tritext_export.session import ExportedModel
from tritext_export.trial import Trial
from tritext_export.variants import Variant, Variants


@dataclass(frozen=True, slots=True)
class Tried:
    """One candidate and what became of it.

    Attributes:
        candidate: What it is.
        variant: Its file.
        inputs: The model's inputs.
        certificate: How it compares with the checkpoint.
        canary: A text with its answer.
        expectations: The labels that it gave.
        milliseconds: CPU time of a text; None where nothing was measured.
    """

    candidate: Candidate
    variant: Variant
    inputs: tuple[str, ...]
    certificate: Certificate
    canary: Canary
    expectations: Expectations
    milliseconds: float | None = None

    def trial(self, chosen: bool) -> Trial:
        """Say it as tables and reports do."""
        certificate = self.certificate
        return Trial(
            name=self.candidate.name,
            precision=self.candidate.precision,
            edits=self.variant.edits,
            bytes=self.variant.path.stat().st_size,
            milliseconds=self.milliseconds,
            accuracy=certificate.export_accuracy,
            agreement=certificate.agreement,
            unstable=certificate.unstable,
            passed=certificate.passed,
            reason=certificate.reason,
            chosen=chosen,
        )


def try_candidates(
    groups: Sequence[Sequence[Candidate]], variants: Variants, judge: Judge, pad_token_id: int
) -> tuple[Tried, tuple[Trial, ...]]:
    """Try what suits the target.

    Args:
        groups: Candidates; within a group the next is tried only where the one before fails.
        variants: Makes their files.
        judge: Certifies them.
        pad_token_id: What fills a row up.

    Returns:
        The fastest that passed, or the first where none did; and all of them for the record.

    Raises:
        ExportError: none could be made.
    """
    tried, unfit = _try_groups(groups, variants, judge, pad_token_id)
    target = tried[0].candidate.target
    if can_measure(target) and (len(tried) > 1 or tried[0].candidate.precision == "int8"):
        files = {t.candidate.name: t.variant.path for t in tried}
        cost = measure_cost(files, judge.encoded, pad_token_id, judge.progress, target)
        tried = [replace(t, milliseconds=cost.get(t.candidate.name)) for t in tried]
    passed = [t for t in tried if t.certificate.passed] or tried[:1]
    chosen = min(passed, key=lambda t: t.milliseconds or 0.0)
    return chosen, (*unfit, *(t.trial(t is chosen and t.certificate.passed) for t in tried))


def _try_groups(
    groups: Sequence[Sequence[Candidate]], variants: Variants, judge: Judge, pad_token_id: int
) -> tuple[list[Tried], list[Trial]]:
    """Try group after group; a form that the graph does not allow is noted as long as another group has one."""
    judge.reference  # noqa: B018  # a checkpoint that breaks off ends it all, whatever the candidate
    tried: list[Tried] = []
    unfit: dict[str, Exception] = {}
    for group in groups:
        for candidate in group:
            if candidate.precision in unfit:
                continue
            try:
                found = _try(candidate, variants, judge, pad_token_id, tried)
            except (GraphError, EngineError, TextsError, CertificateError) as error:
                unfit[candidate.precision] = error
                continue
            if found is not None:
                tried.append(found)
                if found.certificate.passed:
                    break
    if not tried:
        raise next(iter(unfit.values()))
    return tried, [_unfit(precision, error) for precision, error in unfit.items()]


def _unfit(precision: str, error: Exception) -> Trial:
    """Say why there is no file to try."""
    return Trial(precision, precision, (), 0, None, None, None, 0, passed=False, reason=str(error))


def _try(
    candidate: Candidate, variants: Variants, judge: Judge, pad_token_id: int, before: Sequence[Tried]
) -> Tried | None:
    """Build and certify a candidate; None where it is, byte for byte, one that was tried before."""
    limits = limits_for(candidate.precision, judge.request.limits)
    variant = variants.build(candidate, limits.agreement)
    if any(filecmp.cmp(variant.path, t.variant.path, shallow=False) for t in before):
        return None
    exported = ExportedModel(variant.certified, pad_token_id)
    certificate, canary, expectations = judge.certify(exported, candidate.name, candidate.precision)
    return Tried(candidate, variant, exported.inputs, certificate, canary, expectations)
