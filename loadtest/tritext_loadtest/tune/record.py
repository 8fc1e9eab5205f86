"""Findings for programs and for readers: JSON, a table's rows, and the file of the winner. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from tritext_loadtest.slo import shown
from tritext_loadtest.tune.halving import SURE_TURNS, Tried, broken_in, compare
from tritext_loadtest.tune.sweep import Findings

FIGURES = ("p50_ms", "p95_ms", "p99_ms", "error_rate", "rejected_share", "label_mismatch")
HEAD = ("setting", "turns", "CPU-ms a text", "control's cost over it", "p99 ms", "")


def to_json(findings: Findings, about: Mapping[str, Any], limits: Mapping[str, float]) -> dict[str, Any]:
    """Lay everything out.

    Args:
        findings: What came of the search.
        about: What it was about: names and counts.
        limits: Objectives.
    """
    verdict = findings.verdict
    return {
        **about,
        "texts_per_second": findings.rate,
        "interrupted": findings.interrupted,
        "limits": dict(limits),
        "settings": [
            {
                **asdict(one.setting),
                "mark": mark(one, findings),
                "failure": one.failure,
                "turns": [asdict(turn) for turn in one.turns],
            }
            for one in findings.everybody
        ],
        "winner": asdict(verdict.winner.setting) if verdict else None,
        "gain": asdict(verdict.gain) if verdict and verdict.gain else None,
        "better_than_the_control": bool(verdict and verdict.surely),
        "objectives_hold": bool(verdict and verdict.holds),
    }


def rows(findings: Findings) -> list[tuple[str, ...]]:
    """Give a line for each setting: those with the most turns first, of equals the cheapest."""
    ran = [one for one in findings.everybody if one.turns]
    listed = sorted(ran, key=lambda one: (-len(one.turns), one.cpu_milliseconds))
    found = [_row(one, findings) for one in listed]
    return found + [
        (str(one.setting), "0", "–", "–", "–", one.failure or "not tried")
        for one in findings.everybody
        if not one.turns
    ]


def mark(one: Tried, findings: Findings) -> str:
    """Say what a setting is in the search."""
    verdict = findings.verdict
    words = ["chosen"] if verdict and verdict.holds and verdict.winner is one else []
    words += ["the usual setting"] if one is findings.control else []
    words += ["failed"] if one.failure else []
    return ", ".join(words)


def sentence(findings: Findings, limits: Mapping[str, float]) -> str:
    """Say what came of it."""
    verdict = findings.verdict
    if verdict is None:
        return "Nothing was measured."
    if not verdict.holds:
        broken = "; ".join(str(each) for each in verdict.winner.checks(limits) if not each.holds)
        return f"No setting holds the objectives; of the usual one: {broken}."
    if not verdict.surely:
        return "Nothing that was tried is surely better than the usual setting: keep it."
    gain = verdict.gain
    if gain is None or gain.low <= 1 or len(verdict.winner.turns) < SURE_TURNS:
        return f"{verdict.winner.setting}: {_how_surely(verdict.winner, findings.control, limits)}"
    return (
        f"{verdict.winner.setting}: the usual setting takes {gain.value:.2f} times as much CPU time "
        f"(95 % interval {gain.low:.2f} to {gain.high:.2f})."
    )


def _how_surely(winner: Tried, control: Tried, limits: Mapping[str, float]) -> str:
    own, usual = broken_in(winner, limits), broken_in(control, limits)
    doubt = " Some of that may be chance: more --seconds tell." if own or usual < len(control.turns) else ""
    return (
        "holds the objectives, which the usual setting does not: it breaks them in "
        f"{usual} of {len(control.turns)} turns, this one in {own} of {len(winner.turns)}.{doubt}"
    )


def comment(findings: Findings, about: Mapping[str, Any], limits: Mapping[str, float]) -> str:
    """Say in the winner's file where it comes from."""
    held = ", ".join(f"{name} ≤ {shown(limit)}" for name, limit in limits.items())
    return (
        f"written by `tritext tune` on {about['date']}, {about['cores']} cores, {about['processor']}\n"
        f"{findings.rate:.0f} texts a second, {about['batch']} a request; {held}\n{sentence(findings, limits)}"
    )


def _row(one: Tried, findings: Findings) -> tuple[str, ...]:
    gain = compare(one, findings.control) if one is not findings.control else None
    said = f"{gain.value:.2f} ({gain.low:.2f} to {gain.high:.2f})" if gain else "–"
    figures: Sequence[str] = (f"{one.cpu_milliseconds:.2f}", said, f"{one.figure('p99_ms'):.0f}")
    return (str(one.setting), str(len(one.turns)), *figures, mark(one, findings))
