from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tritext_store.commands.sync import _write, duration
from tritext_store.errors import Denied, MissingExtra, StoreError, Unreachable
from tritext_store.pull import Pulled
from tritext_store.sync import MOST_SECONDS, Follower, metrics, pause

OLD, NEW = (Pulled(letter * 32, 3, 5_000_000, 1_000_000, changed=True) for letter in "ab")
SAME = Pulled("b" * 32, 3, 5_000_000, 0, changed=False)


class Script:
    """What happens, round by round."""

    def __init__(self, *steps: Pulled | StoreError) -> None:
        """Know it all beforehand."""
        self.steps = list(steps)

    def __call__(self) -> Pulled:
        """Let the next thing happen."""
        step = self.steps.pop(0)
        if isinstance(step, StoreError):
            raise step
        return step


@given(st.floats(0.1, 86_400), st.integers(0, 10**6))
def test_a_pause_is_never_shorter_than_asked_nor_longer_than_five_minutes_or_asked(every: float, failures: int) -> None:
    assert every <= pause(every, failures) <= max(every, MOST_SECONDS)
    assert pause(every, failures) <= pause(every, failures + 1)


def test_a_reason_is_said_once_and_another_one_again() -> None:
    cut, denied = Unreachable("cut"), Denied("denied")
    follower = Follower(Script(OLD, cut, cut, cut, denied, denied, cut, NEW, SAME))
    said = [follower.round(float(number)) for number in range(9)]
    assert [bool(words) for words in said] == [True, True, False, False, True, False, True, True, False]
    assert said[1] == "cut; what is here stays"
    assert said[7].startswith("now bbbbbbbbbbbb: 3 files")
    assert (follower.failures, follower.succeeded, follower.generation) == (0, 8.0, "b" * 32)


def test_it_says_when_all_is_well_again() -> None:
    follower = Follower(Script(NEW, Unreachable("cut"), SAME, SAME))
    said = [follower.round(1.0) for _ in range(4)]
    assert said[2:] == ["all is well again", ""]


def test_a_package_that_is_missing_ends_it() -> None:
    with pytest.raises(MissingExtra):
        Follower(Script(MissingExtra("pip install"))).round(1.0)


def test_failures_in_a_row_are_counted_for_the_pause_and_for_prometheus() -> None:
    follower = Follower(Script(NEW, Unreachable("cut"), Unreachable("cut")))
    for now in (100.0, 101.0, 102.0):
        follower.round(now)
    text = metrics(follower)
    assert "\nttx_sync_failures 2\n" in text
    assert "\nttx_sync_last_success_timestamp_seconds 100.000\n" in text


def test_metrics_that_cannot_be_written_are_told_once_for_each_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    file, folder, under = tmp_path / "sync.prom", tmp_path / "none" / "sync.prom", tmp_path / "file" / "sync.prom"
    why, told = "", []
    for path in (folder, folder, under, file, under):
        why = _write(path, "x", why)
        told.append(capsys.readouterr().err.removeprefix(f"{path}: ").partition(":")[0])
    assert told == ["No such file or directory", "", "Not a directory", "", "Not a directory"]
    assert file.read_text() == "x"


def test_a_new_state_is_applied_once_and_a_refusal_is_tried_again() -> None:
    answers = ["", "green does not start", "green does not start", ""]
    asked: list[str] = []

    def apply() -> str:
        asked.append(answers[len(asked)])
        return asked[-1]

    follower = Follower(Script(OLD, NEW, SAME, SAME, SAME), apply)
    said = [follower.round(1.0) for _ in range(5)]
    assert asked == answers
    assert said[1].endswith("green does not start; what is here stays")
    assert said[2:] == ["", "all is well again", ""]


@pytest.mark.parametrize(("text", "seconds"), [("30s", 30.0), ("5m", 300.0), ("1h", 3600.0), ("2", 2.0), ("0.5s", 0.5)])
def test_a_time_is_read(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "0", "-5s", "nan", "inf", "1d", "2000h"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(Exception, match="write a time such as"):
        duration(text)
