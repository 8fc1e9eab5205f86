"""Files with mistakes, each refused by name and line.

A file of the corpus begins with what must be said of it, a line each: ``# LINE field: words``. It takes the place of
the good file that its name begins with; nothing else may be said.
"""

from pathlib import Path

import pytest

from tests.serve.endpoint.files.good import GOOD, fronts, good_files, problems
from tritext_serve.endpoint.files import load_endpoint

CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.yml"))
REPLACED = {"endpoint": "endpoint", "deployment": "green", "network": "network"}
# Its mistake is that a managed network stands beside it.
WITH_NETWORK = "deployment-egress-beside-a-network"


def expectations(path: Path) -> list[tuple[int, str, str]]:
    """Read what must be said: line, field and words."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        number, _, rest = line.removeprefix("# ").partition(" ")
        if not line.startswith("# ") or not number.isdecimal():
            break
        field, _, words = rest.partition(": ")
        found.append((int(number), field, words))
    return found


def files_around(path: Path) -> list[Path]:
    """Give a file the good ones that it belongs to."""
    files = good_files("network") if path.stem == WITH_NETWORK else good_files()
    replaced = REPLACED[path.stem.partition("-")[0]]
    return [path if file.stem == replaced else file for file in files] + ([path] if replaced == "network" else [])


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_a_mistake_is_named_by_line_field_and_remedy_and_nothing_else_is_said(path: Path) -> None:
    expected = expectations(path)
    said = problems(*files_around(path))
    assert len(said) == len(expected), said
    for line, (number, field, words) in zip(said, sorted(expected, key=lambda e: e[0]), strict=True):
        assert line.startswith(f"{path}:{number}: {field}: ")
        assert words in line


def test_the_corpus_is_whole() -> None:
    assert len(CORPUS) >= 90
    assert all(expectations(path) for path in CORPUS)


def test_the_good_files_have_no_mistake() -> None:
    endpoint = load_endpoint(good_files("network"), fronts)
    assert endpoint.traffic == {"blue": 90, "green": 10}
    assert {deployment.repository for deployment in endpoint.deployments.values()} == {GOOD / "repository"}
