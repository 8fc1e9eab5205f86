"""Limits from the command line and from a TOML file: which wins, and what is refused by name."""

import argparse
from pathlib import Path

import pytest

from tritext_export.commands.thresholds import add_limits, chosen_limits, read_spec
from tritext_export.errors import SourceError


def choose(*words: str) -> dict[str, float]:
    """Parse a command line's limits."""
    parser = argparse.ArgumentParser()
    add_limits(parser)
    return chosen_limits(parser.parse_args(words))


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """A file with every limit."""
    path = tmp_path / "limits.toml"
    path.write_text(
        "[limits]\nmin-agreement = 0.99\nmax-difference = 0.5\nmax-accuracy-drop = 0.01\n"
        "max-unstable = 3\nmax-calibration-rise = 0.1\n"
    )
    return path


def test_nothing_chosen_leaves_everything_to_the_precision() -> None:
    assert choose() == {}


def test_flags_are_limits() -> None:
    assert choose("--min-agreement", "0.9", "--max-unstable", "0") == {"agreement": 0.9, "unstable": 0}
    assert choose("--max-difference", "0") == {"max_probability_difference": 0}


def test_a_file_gives_all_and_a_flag_wins_over_it(spec: Path) -> None:
    everything = {
        "agreement": 0.99,
        "max_probability_difference": 0.5,
        "accuracy_drop": 0.01,
        "unstable": 3,
        "calibration_error_increase": 0.1,
    }
    assert choose("--spec", str(spec)) == everything
    assert choose("--spec", str(spec), "--max-unstable", "1") == everything | {"unstable": 1}


def test_an_empty_file_chooses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "empty.toml"
    path.write_text("")
    assert read_spec(path) == {}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[limits]\nmin-speed = 1", "the limit 'min-speed' is unknown: use min-agreement, max-difference"),
        ("[speed]\nmax = 1", "it holds 'speed', which nothing reads: put limits under"),
        ("limits = 3", "limits = 3 is no table"),
        ("[limits]\nmin-agreement = 99.5", "min-agreement: '99.5' is not a number from 0 to 1"),
        ("[limits]\nmin-agreement = true", "min-agreement: 'True' is not a number"),
        ("[limits]\nmin-agreement = nan", "min-agreement: 'nan' is not a number from 0 to 1"),
        ("[limits]\nmax-difference = inf", "max-difference: 'inf' is not a number of 0 or more"),
        ("[limits]\nmax-difference = -1", "max-difference: '-1' is not a number of 0 or more"),
        ("[limits]\nmax-unstable = 1.5", "max-unstable: '1.5' is not a whole number"),
        ("[limits", "mend the TOML"),
    ],
)
def test_a_file_that_says_something_else_is_refused_by_name(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "limits.toml"
    path.write_text(content)
    with pytest.raises(SourceError, match=words):
        read_spec(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"nowhere\.toml: No such file or directory: give a TOML file"):
        read_spec(tmp_path / "nowhere.toml")


@pytest.mark.parametrize("words", [("--min-agreement", "2"), ("--max-unstable", "x"), ("--max-difference", "-0.1")])
def test_a_flag_out_of_bounds_is_refused(words: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        choose(*words)
    assert repr(words[1]) in capsys.readouterr().err
