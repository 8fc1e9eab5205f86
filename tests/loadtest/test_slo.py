"""Objectives: read, refused by name, held against figures."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tritext_loadtest.errors import SLOError
from tritext_loadtest.slo import OBJECTIVES, Check, check, read_slo, shown


def write(folder: Path, content: str) -> Path:
    path = folder / "slo.toml"
    path.write_text(content)
    return path


def test_a_scenarios_own_limits_come_first(tmp_path: Path) -> None:
    path = write(tmp_path, "p99_ms = 250\nerror_rate = 0.1\n[spike]\np99_ms = 900\nrejected_share = 0.3\n")
    assert read_slo(path, "steady") == {"label_mismatch": 0, "p99_ms": 250, "error_rate": 0.1}
    assert read_slo(path, "spike") == {"label_mismatch": 0, "p99_ms": 900, "error_rate": 0.1, "rejected_share": 0.3}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("p99 = 250", "unknown field `p99`: known are p50_ms, p95_ms, p99_ms, error_rate"),
        ("[spike]\nlatency = 1", "unknown field `latency`"),
        ("[spikes]\np99_ms = 1", r"unknown scenario \[spikes\]: known are steady, ramp, spike"),
        ("p99_ms = -1", "p99_ms = -1: give a number of 0 or more"),
        ("p99_ms = nan", "p99_ms = nan: give a number"),
        ("p99_ms = true", "p99_ms = True: give a number"),
        ("error_rate = 5", "error_rate = 5: give a number from 0 to 1"),
        ("error_rate = '1'", "error_rate = '1': give a number from 0 to 1"),
        ("p99_ms 250", "give a TOML file"),
    ],
)
def test_what_means_nothing_is_refused_whatever_the_scenario(tmp_path: Path, content: str, words: str) -> None:
    with pytest.raises(SLOError, match=words):
        read_slo(write(tmp_path, content), "steady")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SLOError, match=r"gone\.toml: .*No such file"):
        read_slo(tmp_path / "gone.toml", "steady")


@given(st.sampled_from(list(OBJECTIVES)), st.floats(0, 1), st.floats(0, 1))
def test_a_check_holds_up_to_its_limit(name: str, limit: float, value: float) -> None:
    (found,) = check({name: limit}, {name: value})
    assert found.holds == (value <= limit)
    assert (">" in str(found)) != found.holds


def test_what_was_not_measured_does_not_hold() -> None:
    (found,) = check({"rss_slope_mib_per_100k": 1.0}, {"rss_slope_mib_per_100k": None})
    assert not found.holds
    assert str(found) == "rss_slope_mib_per_100k ≤ 1: not measured"


def test_figures_are_short() -> None:
    assert [shown(v) for v in (0.0, 0.00123456, 12.3456, 12345.6)] == ["0", "0.001235", "12.35", "12,346"]
    assert str(Check("p99_ms", 250, 300)) == "p99_ms 300 > 250"
