"""What was found of a candidate, for people (Markdown) and programs (JSON): verdicts and stages in, text out. Pure."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tritext_serve.endpoint.verdict.decision import Evidence
from tritext_serve.endpoint.verdict.join import Agreement
from tritext_serve.endpoint.verdict.promotion import Plan, Stage

# Of the pairs of labels that differ, the most frequent are named.
MOST_PAIRS = 10
# Standard errors of a 95 % interval.
_Z = 1.96


def verdict_markdown(said: Mapping[str, Any]) -> str:
    """Say how far candidates agree with the live deployments.

    Args:
        said: The answer of the control verb ``verdict``.
    """
    if not said["pairs"]:
        return "Nothing was compared yet: mirror some traffic, as with `tritext endpoint mirror green=10`.\n"
    rows = [
        f"| {pair['live']} | {pair['candidate']} | {pair['compared']} | {pair['disagreements']} "
        f"| {_interval(pair['disagreements'], pair['compared'])} | {pair['mean_score_difference']:.4f} "
        f"| {pair['max_score_difference']:.4f} |"
        for pair in said["pairs"]
    ]
    head = (
        "| live | candidate | texts compared | other label | share (95 %) | mean Δ score | max Δ score |",
        "|---|---|---|---|---|---|---|",
    )
    pairs = [(f"{pair['live']} → {pair['candidate']}", Agreement.read(pair)) for pair in said["pairs"] if pair["pairs"]]
    return "\n".join([*head, *rows, *_label_pairs(pairs)]) + "\n"


def promotion_markdown(candidate: str, plan: Plan, stages: Sequence[Stage], outcome: str) -> str:
    """Say how a promotion went.

    Args:
        candidate: Who was promoted, or not.
        plan: How.
        stages: What each share showed.
        outcome: How it ended, a sentence.
    """
    bar = plan.bar
    head = (
        f"# Promotion of {candidate}",
        "",
        outcome,
        "",
        f"Allowed: {bar.disagreement:.2%} other labels over {bar.compared} texts or more, {bar.errors:.2%} more "
        f"errors, {bar.p99_ratio:g} times the live 99th percentile, each over {bar.requests} answers or more.",
        "",
        "| share | other label | errors | live errors | p99 ms | live p99 ms | answers |",
        "|---|---|---|---|---|---|---|",
    )
    pairs = [("all", stages[-1].evidence.agreement)] if stages else []
    return "\n".join([*head, *map(_row, stages), *_label_pairs(pairs)]) + "\n"


def promotion_json(candidate: str, plan: Plan, stages: Sequence[Stage], outcome: str, *, promoted: bool) -> str:
    """Say the same to a program."""
    content = {
        "candidate": candidate,
        "promoted": promoted,
        "outcome": outcome,
        "steps": list(plan.steps),
        "stages": [{"share": stage.share} | _described(stage.evidence) for stage in stages],
    }
    return json.dumps(content, indent=2) + "\n"


def _described(evidence: Evidence) -> dict[str, Any]:
    return {
        "agreement": evidence.agreement.described(),
        "candidate": _fared(evidence, "candidate"),
        "live": _fared(evidence, "live"),
    }


def _fared(evidence: Evidence, who: str) -> dict[str, Any]:
    served = evidence.candidate if who == "candidate" else evidence.live
    labels = evidence.candidate_labels if who == "candidate" else evidence.live_labels
    return {
        "requests": served.requests,
        "errors": served.errors,
        "p50_ms": served.quantile(0.5),
        "p99_ms": served.quantile(0.99),
        "labels": dict(labels),
    }


def _row(stage: Stage) -> str:
    evidence = stage.evidence
    agreement, live, candidate = evidence.agreement, evidence.live, evidence.candidate
    return (
        f"| {stage.share or 'mirrored'}{' %' if stage.share else ''} "
        f"| {agreement.disagreements} of {agreement.compared} "
        f"| {candidate.error_share:.2%} | {live.error_share:.2%} "
        f"| {candidate.quantile(0.99):g} | {live.quantile(0.99):g} | {candidate.requests} |"
    )


def _label_pairs(named: Iterable[tuple[str, Agreement]]) -> list[str]:
    lines = []
    for name, agreement in named:
        for (live, candidate), texts in sorted(agreement.pairs.items(), key=lambda pair: -pair[1])[:MOST_PAIRS]:
            lines.append(f"- {name}: {texts} texts, `{live}` live and `{candidate}` of the candidate")
    return ["", *lines] if lines else []


def _interval(count: int, total: int) -> str:
    """Write a share with Wilson's interval, which stands for few and for none, too."""
    if not total:
        return "–"
    share, square = count / total, _Z * _Z
    middle = (share + square / (2 * total)) / (1 + square / total)
    half = _Z * (share * (1 - share) / total + square / (4 * total * total)) ** 0.5 / (1 + square / total)
    return f"{share:.2%} ({max(0.0, middle - half):.2%}–{min(1.0, middle + half):.2%})"
