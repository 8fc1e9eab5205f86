"""`make demo` from export to figures, on a repository that stands already."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900)]


def test_the_demo_ends_by_itself_and_prints_what_it_promises(model_repository: Path, corpus: Path) -> None:
    command = [sys.executable, "demo/run.py", "--repository", str(model_repository), "--texts", str(corpus)]
    result = subprocess.run(command, check=False, capture_output=True, text=True, timeout=600, cwd=ROOT)
    assert result.returncode == 0, result.stderr
    said = result.stdout
    assert said.count("certificate passed: 100.00% of 1,095 labels agree") == 2
    table = said[said.index("review ") : said.index("Accuracy on")].strip().splitlines()
    assert len(table) == 13, "a head and a dozen reviews"
    shares = {
        name: float(share) for name, share in re.findall(r"^  (trained|naive|VADER).* (0\.\d{4})$", said, re.MULTILINE)
    }
    assert shares["trained"] >= 0.84
    assert shares["trained"] > shares["naive"] > 0.5
    assert shares["VADER"] == pytest.approx(0.647, abs=0.02)
    assert len(re.findall(r"\d+ texts/s +\d+\.\d\d server CPU-ms a text", said)) == 2
    assert "make serve" in said
    assert "Ctrl-C" in said
