"""Whether a candidate may go on: evidence in, go, wait or stop out. Pure.

Nothing is decided for it on too little: without the evidence that the bar asks for the answer is to wait. Against it a
little suffices: more disagreements or errors than the least evidence would allow stop it at once.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from tritext_serve.endpoint.verdict.join import Agreement
from tritext_serve.endpoint.verdict.served import Served

# Less than that between two 99th percentiles is a busy machine's noise.
SLACK_MILLISECONDS = 5.0
# Standard errors by which two shares must differ to count as different.
SIGNIFICANT = 4.0
# The part of the answers that is slower than the 99th percentile.
SLOW = 0.01
FULL = 100


class Answer(Enum):
    """What to do."""

    GO = "go"
    WAIT = "wait"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Bar:
    """What a candidate must reach.

    Attributes:
        disagreement: Part of the compared texts whose labels may differ.
        compared: Texts that must have been compared before it answers anybody.
        errors: Part of its answers that may be errors, beyond the live deployments' own part.
        p99_ratio: How many times as long as the live 99th percentile its own may be.
        requests: Answers of it, and of the live ones, that must have been seen before each next step.
        label_shift: How far its share of a label may be from the live one.
    """

    disagreement: float = 0.005
    compared: int = 500
    errors: float = 0.01
    p99_ratio: float = 1.5
    requests: int = 100
    label_shift: float = 0.1


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a candidate beside the live deployments.

    Attributes:
        agreement: On the same texts.
        live: How the live ones fared.
        candidate: How the candidate fared in the same time.
        live_labels: How many texts the live ones gave each label.
        candidate_labels: The same of the candidate.
    """

    agreement: Agreement = field(default_factory=Agreement)
    live: Served = field(default_factory=Served)
    candidate: Served = field(default_factory=Served)
    live_labels: Mapping[str, int] = field(default_factory=dict)
    candidate_labels: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is decided.

    Attributes:
        answer: What to do.
        reasons: Why it is not to go on.
    """

    answer: Answer
    reasons: tuple[str, ...] = ()


def judge(evidence: Evidence, bar: Bar) -> Judgement:
    """Decide whether a candidate may take the next step."""
    against = tuple(_against(evidence, bar))
    if against:
        return Judgement(Answer.STOP, against)
    lacking = tuple(_lacking(evidence, bar))
    return Judgement(Answer.WAIT, lacking) if lacking else Judgement(Answer.GO)


def steps_from(current: int, wanted: Sequence[int]) -> list[int]:
    """List the shares to go through, in per cent: those above what the candidate has, each once, upwards."""
    return sorted({share for share in wanted if current < share <= FULL})


def shift(traffic: Mapping[str, int], candidate: str, share: int) -> dict[str, int]:
    """Give a candidate its share, and the others the rest in the proportions that they have.

    Args:
        traffic: Per cent by deployment, 100 together.
        candidate: Whose share it is.
        share: Per cent, 0 to 100.

    Returns:
        Per cent by deployment, 100 together.

    Example:
        >>> shift({"blue": 60, "red": 40}, "green", 25)
        {'blue': 45, 'red': 30, 'green': 25}
    """
    others = {name: weight for name, weight in traffic.items() if name != candidate}
    total, rest = sum(others.values()), FULL - share
    if not total:
        return others | {candidate: FULL}
    shares = {name: weight * rest // total for name, weight in others.items()}
    by_remainder = sorted(others, key=lambda name: others[name] * rest % total, reverse=True)
    for name in by_remainder[: rest - sum(shares.values())]:
        shares[name] += 1
    return shares | {candidate: share}


def _against(evidence: Evidence, bar: Bar) -> Iterator[str]:
    agreement, live, candidate = evidence.agreement, evidence.live, evidence.candidate
    if agreement.disagreements > bar.disagreement * max(agreement.compared, bar.compared):
        yield (
            f"{agreement.disagreements} of {agreement.compared} texts get another label "
            f"({agreement.share:.2%}, allowed {bar.disagreement:.2%}){_most_frequent(agreement)}"
        )
    allowed = bar.errors + live.error_share
    if candidate.errors > allowed * max(candidate.requests, bar.requests):
        yield (
            f"{candidate.errors} of {candidate.requests} answers are errors "
            f"({candidate.error_share:.2%}, allowed {allowed:.2%})"
        )
    if min(live.timed, candidate.timed) >= bar.requests:
        yield from _too_slow(live, candidate, bar)
    yield from _shifted(evidence.live_labels, evidence.candidate_labels, bar)


def _lacking(evidence: Evidence, bar: Bar) -> Iterator[str]:
    if evidence.agreement.compared < bar.compared:
        yield f"{evidence.agreement.compared} of {bar.compared} texts compared"
    for who, served in (("candidate", evidence.candidate), ("live", evidence.live)):
        seen = min(served.requests, served.timed)
        if seen < bar.requests:
            yield f"{seen} of {bar.requests} answers of the {who} timed"


def _too_slow(live: Served, candidate: Served, bar: Bar) -> Iterator[str]:
    """Tell answers beyond the allowed 99th percentile, where there are clearly more of them than one in a hundred.

    Of a hundred answers the 99th percentile is the second slowest, which one pause of the machine decides.
    """
    p99 = live.quantile(0.99)
    limit = max(bar.p99_ratio * p99, p99 + SLACK_MILLISECONDS)
    expected = SLOW * candidate.timed
    slow = sum(count for bound, count in candidate.times.items() if bound > limit)
    if slow > expected + SIGNIFICANT * expected**0.5:
        yield (
            f"{slow} of {candidate.timed} answers took more than {limit:g} ms, which 1 % may: the 99th percentile is "
            f"{candidate.quantile(0.99):g} ms, {p99:g} ms of the live"
        )


def _shifted(live: Mapping[str, int], candidate: Mapping[str, int], bar: Bar) -> Iterator[str]:
    """Tell labels that come with clearly another frequency, which no chance explains."""
    ours, theirs = sum(candidate.values()), sum(live.values())
    if min(ours, theirs) < bar.requests:
        return
    for label in sorted({*live, *candidate}):
        was, is_now = live.get(label, 0) / theirs, candidate.get(label, 0) / ours
        both = (live.get(label, 0) + candidate.get(label, 0)) / (ours + theirs)
        error = (both * (1 - both) * (1 / ours + 1 / theirs)) ** 0.5
        if abs(is_now - was) > max(bar.label_shift, SIGNIFICANT * error):
            yield f"label {label!r} comes in {is_now:.1%} of the texts, {was:.1%} of the live"


def _most_frequent(agreement: Agreement) -> str:
    (live, candidate), texts = max(agreement.pairs.items(), key=lambda pair: pair[1])
    return f", most often {candidate!r} for {live!r} ({texts})"
