"""Files with mistakes, each refused by name and line; and what Azure's own client says of them.

A file begins with what must be said of it, a line each: ``# LINE field: words``, and for what the client can load with
its verdict. It takes the place of the good file that its name begins with; nothing else may be said.
"""

from pathlib import Path

import pytest

from tests.deploy.azure.conftest import Verdicts
from tests.deploy.azure.files import AZURE, RENDERED, WRONG
from tritext_serve.azure.rules import problems

CORPUS = sorted(WRONG.glob("*.yml"))
GOOD = {
    "endpoint": RENDERED / "endpoint.yml",
    "beside": RENDERED / "deployment-blue.yml",
    "deployment": RENDERED / "deployment-green.yml",
    "workspace": RENDERED / "workspace.yml",
    "cloud": AZURE / "cloud.yml",
    "parameters": RENDERED / "main.parameters.json",
}
TAKES, REFUSES = "# azure-ai-ml takes it", "# azure-ai-ml refuses it"


def heading(path: Path) -> tuple[list[tuple[int, str, str]], str]:
    """Read what must be said, and the client's verdict: "" where the file is none of its kinds."""
    found, verdict = [], ""
    for line in path.read_text(encoding="utf-8").splitlines():
        number, _, rest = line.removeprefix("# ").partition(" ")
        if line in (TAKES, REFUSES):
            verdict = line
        elif line.startswith("# ") and number.isdecimal():
            field, _, words = rest.partition(": ")
            found.append((int(number), field, words))
        else:
            break
    return found, verdict


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_a_mistake_is_named_by_line_field_and_remedy_and_nothing_else_is_said(path: Path) -> None:
    expected, _ = heading(path)
    said = problems([path if path.stem.startswith(f"{kind}-") else good for kind, good in GOOD.items()])
    assert len(said) == len(expected), said
    for line, (number, field, words) in zip(said, sorted(expected, key=lambda each: each[0]), strict=True):
        assert line.startswith(f"{path}:{number}: {field}: ")
        assert words in line


def test_the_good_files_have_no_mistake() -> None:
    assert problems(list(GOOD.values())) == ()


def test_the_corpus_is_whole_and_of_every_kind() -> None:
    assert len(CORPUS) >= 80
    assert {path.stem.partition("-")[0] for path in CORPUS} == set(GOOD) - {"beside"}
    assert all(heading(path)[0] for path in CORPUS)


def test_the_client_takes_and_refuses_what_the_files_say(verdicts: Verdicts) -> None:
    """Most of these it takes: without rules of our own they would be found by the service, or by nobody."""
    said = {path.name: heading(path)[1] for path in CORPUS if heading(path)[1]}
    found = {name: REFUSES if verdicts[f"wrong/{name}"]["problem"] else TAKES for name in said}
    assert found == said
    assert list(said.values()).count(TAKES) > len(said) / 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"- a\n", "is not a table"),
        (b"name: \xff\n", "is not UTF-8"),
        (b"a: 1\na: 2\n", "stands twice"),
        (b"a: &x [*x]\n", "before or inside its anchor"),
        (b"name: !!python/object/apply:os.system [id]\n", "is not allowed"),
        (b"colour: blue\n", "no field tells what the file is of"),
    ],
)
def test_what_is_no_such_file_at_all_is_said_in_a_line(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "x.yml"
    path.write_bytes(content)
    (line,) = problems([path])
    assert line.startswith(f"{path}:")
    assert words in line


def test_a_file_that_is_not_there_is_said_in_a_line(tmp_path: Path) -> None:
    (line,) = problems([tmp_path / "x.yml"])
    assert line == f"{tmp_path}/x.yml: is not there: give a file that this user can read"
