"""The README's table is the committed report's, and the other outputs can be drawn from it."""

import json
import shutil
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tritext._cli.main import main
from tritext_loadtest.peers.table import BEGIN, RATIOS, replace_summary

REPORT = ROOT / "docs" / "bench.json"


def test_the_readme_shows_the_committed_report() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    report = json.loads(REPORT.read_text(encoding="utf-8"))
    assert replace_summary(readme, report) == readme, "run `tritext bench --from docs/bench.json --readme README.md`"


def test_the_committed_report_is_whole() -> None:
    report = json.loads(REPORT.read_text(encoding="utf-8"))
    assert set(report["ratios"]) == set(RATIOS) == set(report["intervals"])
    for name, (low, high) in report["intervals"].items():
        assert low <= report["ratios"][name] <= high
    assert report["failures"] == {}


def test_a_report_is_drawn_again_without_measuring(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(ROOT / "README.md", tmp_path / "README.md")
    outputs = [
        "--markdown",
        str(tmp_path / "r.md"),
        "--plots",
        str(tmp_path / "p"),
        "--readme",
        str(tmp_path / "README.md"),
    ]
    assert main(["bench", "--from", str(REPORT), *outputs]) == 0
    assert (tmp_path / "README.md").read_text() == (ROOT / "README.md").read_text()
    assert (tmp_path / "r.md").read_text().startswith("# tritext side by side\n")
    assert (tmp_path / "p" / "cpu.png").is_file()
    blocked = ["--markdown", str(tmp_path / "r.md" / "x"), "--plots", str(tmp_path / "deep" / "p")]
    assert main(["bench", "--from", str(REPORT), *blocked]) == 1
    assert f"--markdown {tmp_path / 'r.md' / 'x'}: " in capsys.readouterr().err
    assert (tmp_path / "deep" / "p" / "cpu.png").is_file(), "one that cannot be written keeps no other from it"
    (tmp_path / "README.md").write_text("no place")
    assert main(["bench", "--from", str(REPORT), "--readme", str(tmp_path / "README.md")]) == 1
    assert BEGIN in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flag", "name", "reason"),
    [("--json", ".", "is a folder"), ("--plots", "file/p", "is no folder"), ("--readme", "file", BEGIN)],
)
def test_files_that_cannot_be_written_are_refused_before_anything_starts(
    flag: str, name: str, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main(["bench", "--repository", str(tmp_path / "none"), flag, str(tmp_path / name)]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"tritext bench: {flag} ")
    assert reason in said


@pytest.mark.parametrize("key", ["machine", "rows", "ratios", "intervals", "latencies", "tuning", "failures", "texts"])
def test_a_report_that_lacks_something_is_one_clear_line(
    key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = json.loads(REPORT.read_text(encoding="utf-8"))
    del report[key]
    (tmp_path / "r.json").write_text(json.dumps(report))
    assert main(["bench", "--from", str(tmp_path / "r.json")]) == 1
    assert f"no report of a comparison ('{key}')" in capsys.readouterr().err
