"""The words behind `tritext repository`: found beside another package's verb, quick to start, plain when they fail."""

import argparse
import json
import re
import shlex
import subprocess
import sys
import types
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.store.command import VERBS
from tests.store.repositories import contents, write_repository
from tritext._cli.main import GROUP, main

DOCUMENT = ROOT / "docs" / "storage.md"


def test_an_action_of_another_package_stands_beside_those_of_the_verb(capsys: pytest.CaptureFixture[str]) -> None:
    module = types.ModuleType("fake_repository_verb")
    vars(module).update(
        HELP="list and verify", configure=lambda parser: parser.add_argument("action"), run=lambda args: 7
    )
    sys.modules[module.__name__] = module
    verbs = [*VERBS, EntryPoint("repository", module.__name__, GROUP)]
    assert main(["repository", "list"], verbs=verbs) == 7
    assert main(["repository", "push", "--help"], verbs=verbs) == 0
    assert "usage: tritext repository push" in capsys.readouterr().out
    assert main(["--help"], verbs=verbs) == 0
    overview = capsys.readouterr().out
    assert re.search(r"^  repository +list and verify$", overview, re.MULTILINE)
    assert re.search(r"^  repository pull +fetch a model repository", overview, re.MULTILINE)


def test_a_word_that_is_no_action_is_answered_by_the_closest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["repository"], verbs=VERBS) == 2
    assert "did you mean `tritext repository " in capsys.readouterr().err


def test_push_and_pull_say_what_they_did(tmp_path: Path, folder_uri: str, capsys: pytest.CaptureFixture[str]) -> None:
    repository, target = write_repository(tmp_path / "first"), tmp_path / "here"
    for words, said in (
        (["push", str(repository), folder_uri], r"remote is now [0-9a-f]{12}: 10 files, 0\.0 MB, 0\.0 MB uploaded\n"),
        (["push", str(repository), folder_uri], r"remote was already [0-9a-f]{12}: "),
        (["pull", folder_uri, str(target)], r"here is now [0-9a-f]{12}: 10 files, "),
        (["pull", folder_uri, str(target)], r"here was already [0-9a-f]{12}: .* 0\.0 MB fetched\n"),
    ):
        assert main(["repository", *words], verbs=VERBS) == 0
        assert re.search(said, capsys.readouterr().out)
    assert contents(target) == contents(repository)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["push", "{here}", "ftp://host/a"], "nothing here speaks to that"),
        (["push", "{here}/nothing", "{here}/remote"], "no such directory"),
        (["pull", "{here}/nothing", "{here}/there"], "once `tritext repository push` has finished"),
        (["pull", "az://models/a?sig=abc", "{here}/there"], "everybody can read a command line"),
        (["sync", "az://models/../a", "{here}/there"], "set AZURE_STORAGE_ACCOUNT_NAME"),
        (["sync", "{here}", "{here}/there", "--then-apply", "{here}/none.yml"], "name the endpoint's files"),
    ],
)
def test_a_failure_is_one_line_with_the_remedy(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT", "TRITEXT_BLOB_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    assert main(["repository", *(word.format(here=tmp_path) for word in words)], verbs=VERBS) == 1
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert error.startswith(f"tritext repository {words[0]}: ")


def test_help_and_a_local_push_load_none_of_azures_packages() -> None:
    program = (
        "import json, sys; from tests.store.command import VERBS; from tritext._cli.main import main;"
        "main(['repository', 'push', '--help'], verbs=VERBS); [verb.load() for verb in VERBS];"
        "import tritext_store.objects;"
        "heavy = {'adlfs', 'azure', 'aiohttp', 'fsspec'} & set(sys.modules);"
        "sys.stderr.write(json.dumps(sorted(heavy)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert json.loads(done.stderr) == []


def test_a_storage_whose_package_is_missing_names_its_extra() -> None:
    program = """
import sys
sys.modules["s3fs"] = None
from tritext_store.filesystem import open_filesystem
open_filesystem("s3://bucket/a")
"""  # in a process of its own: a storage that was opened before is remembered
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100, check=False)
    assert re.search(r"MissingExtra: .*pip install 'tritext\[s3\]'", done.stderr), done.stderr


def test_the_commands_that_the_document_shows_are_understood() -> None:
    lines = re.findall(
        r"^\$ tritext repository (push|pull|sync) (.*)$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert {action for action, _ in lines} == {"push", "pull", "sync"}
    for action, words in lines:
        [verb] = [verb for verb in VERBS if verb.name == f"repository.{action}"]
        parser = argparse.ArgumentParser(exit_on_error=False)
        verb.load().configure(parser)
        parser.parse_args(shlex.split(words))
