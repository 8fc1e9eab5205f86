"""What the documents say is so: files they link to exist, verbs they show parse, the changelog knows the version."""

import argparse
import importlib.metadata
import re
import shlex
import tomllib
from pathlib import Path

import pytest

from tritext import __version__

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    p for folder in (".", "docs", "docs/adr", "demo", "model_repository") for p in ROOT.glob(f"{folder}/*.md")
)
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(#[^)]*)?\)")
BLOCK = re.compile(r"^```(?:console|bash|sh)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def commands(document: Path) -> list[str]:
    """Every `tritext …` and `make …` line of a document's shell blocks."""
    joined = (block.replace("\\\n", " ") for block in BLOCK.findall(document.read_text(encoding="utf-8")))
    lines = (line.strip().removeprefix("$ ") for block in joined for line in block.splitlines())
    return [line for line in lines if line.startswith(("tritext ", "make "))]


def parse(words: list[str]) -> None:
    """Hand words to the verb that they begin with, as the command does: some verbs are two words."""
    verbs = {entry.name.replace(".", " "): entry for entry in importlib.metadata.entry_points(group="tritext.verbs")}
    count = 2 if " ".join(words[:2]) in verbs else 1
    verb = " ".join(words[:count])
    made = argparse.ArgumentParser(prog=f"tritext {verb}", exit_on_error=False)
    verbs[verb].load().configure(made)
    made.parse_args(words[count:])


def test_there_are_documents_and_they_show_commands() -> None:
    assert len(DOCUMENTS) > 5
    assert commands(ROOT / "README.md")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_link_to_a_file_leads_somewhere(document: Path) -> None:
    targets = [target for target, _ in LINK.findall(document.read_text(encoding="utf-8")) if "://" not in target]
    assert [t for t in targets if not (document.parent / t).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_command_shown_is_one_that_exists(document: Path) -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for line in commands(document):
        program, *arguments = shlex.split(line, comments=True)
        arguments = arguments[: next((i for i, a in enumerate(arguments) if a in ("|", ">", "<", "&")), None)]
        if program == "make":
            assert set(arguments) <= set(targets), line
        elif "--help" not in arguments and "--version" not in arguments:
            parse(arguments)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_nothing_is_left_to_be_filled_in(document: Path) -> None:
    assert re.findall(r"^[A-Z_]{4,}$", document.read_text(encoding="utf-8"), re.MULTILINE) == []


def test_the_changelog_begins_with_the_version() -> None:
    headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == __version__


def test_torch_is_spelt_exactly_wherever_it_is_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (torch,) = [r for r in project["project"]["optional-dependencies"]["export"] if r.startswith("torch")]
    locked = [line for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if "torch==" in line]
    assert [torch] == locked == ["torch==2.13.0"]
