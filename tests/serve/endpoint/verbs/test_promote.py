"""What `tritext endpoint promote` makes of its arguments; what it does is in tests/e2e/test_promote.py."""

import argparse

import pytest

from tritext_serve.endpoint.verbs import promote
from tritext_serve.endpoint.verdict.decision import Bar, Evidence
from tritext_serve.endpoint.verdict.promotion import Plan, Stage


def parse(*words: str) -> argparse.Namespace:
    """Parse a command line."""
    parser = argparse.ArgumentParser(exit_on_error=False)
    promote.configure(parser)
    return parser.parse_args(["green", *words])


def test_unsaid_is_what_the_plan_says() -> None:
    args, plan, bar = parse(), Plan(), Bar()
    assert (args.steps, args.step_seconds, args.patience) == (plan.steps, plan.step_seconds, plan.patience_seconds)
    said = Bar(args.max_disagreement, args.min_compared, args.max_error_rate, args.max_p99_ratio, args.min_requests)
    assert said == bar


@pytest.mark.parametrize(("text", "part"), [("0.5%", 0.005), ("0.005", 0.005), ("0", 0.0), ("100%", 1.0)])
def test_parts_are_per_cents_or_fractions(text: str, part: float) -> None:
    assert parse("--max-disagreement", text).max_disagreement == pytest.approx(part)


def test_steps_are_per_cents_that_grow() -> None:
    assert parse("--steps", "5, 50%,100").steps == (5, 50, 100)


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        *(("--steps", value) for value in ("", "0", "101", "50,50", "50,10", "ten", "10,,20")),
        *(("--max-disagreement", value) for value in ("-1", "101%", "1.5", "nan", "few")),
        *(("--min-compared", value) for value in ("0", "-1", "1.5")),
        *(("--step-seconds", value) for value in ("0", "inf", "nan", "soon")),
    ],
)
def test_values_that_mean_nothing_are_named(flag: str, value: str) -> None:
    with pytest.raises(argparse.ArgumentError, match=r"write|whole number|above 0"):
        parse(f"{flag}={value}")


def test_a_person_who_waits_sees_every_share(capsys: pytest.CaptureFixture[str]) -> None:
    with promote.Bars(Plan()) as bars:
        bars.show(Stage(0, Evidence()), ("0 of 500 texts compared",))
        bars.show(Stage(25, Evidence()), ())
    said = capsys.readouterr().err
    assert "mirrored" in said
    assert "at 25 %" in said
