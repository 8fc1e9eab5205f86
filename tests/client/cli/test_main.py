"""Finding verbs, running one, and what happens when it fails."""

import argparse
import os
import subprocess
import sys
import types
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pytest

from tests.client.cli.conftest import CLASSIFY
from tritext import QueueFull, __version__
from tritext._cli.main import GROUP, main

MISSING = EntryPoint("serve", "tritext_serve.commands.no_such_module", GROUP)


class CheckpointError(Exception):
    """Another package's own error."""


def verb(name: str, run: Callable[[argparse.Namespace], int], **more: Any) -> EntryPoint:
    """A verb made of one function, in a module of its own."""
    module = types.ModuleType(f"fake_verb_{name}")
    members = {"HELP": f"help of {name}", "configure": _configure, "run": run, **more}
    vars(module).update(members)
    sys.modules[module.__name__] = module
    return EntryPoint(name, module.__name__, GROUP)


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--number", type=int, default=0)
    parser.epilog = "example:\n  $ tritext something"


def failing(error: BaseException) -> Callable[[argparse.Namespace], int]:
    def run(args: argparse.Namespace) -> int:
        raise error

    return run


def test_the_verb_decides_the_exit_code() -> None:
    assert main(["it", "--number", "7"], verbs=[verb("it", lambda args: int(args.number))]) == 7


def test_help_lists_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"], verbs=[verb("bench", lambda args: 0), CLASSIFY]) == 0
    out = capsys.readouterr().out
    assert "  bench     help of bench\n  classify  label texts" in out


def test_help_names_what_to_install_for_a_verb_that_cannot_be_imported(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"], verbs=[MISSING]) == 0
    assert "serve  needs `pip install 'tritext[serve]'` (No module named" in capsys.readouterr().out


def test_such_a_verb_says_so_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--port", "1"], verbs=[MISSING]) == 1
    assert "run `pip install 'tritext[serve]'`" in capsys.readouterr().err


def test_no_other_verb_is_imported() -> None:
    assert main(["it"], verbs=[MISSING, verb("it", lambda args: 0)]) == 0


def test_a_verb_s_own_help_keeps_its_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["it", "--help"], verbs=[verb("it", lambda args: 0)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("usage: tritext it")
    assert "example:\n  $ tritext something" in out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"], verbs=[]) == 0
    assert capsys.readouterr().out == f"tritext {__version__}\n"


def test_no_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], verbs=[CLASSIFY]) == 2
    assert "classify" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("word", "hint"), [("clasify", "did you mean `tritext classify`?"), ("xyz", "`tritext --help` lists the verbs")]
)
def test_an_unknown_verb(word: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([word], verbs=[CLASSIFY]) == 2
    assert capsys.readouterr().err == f"tritext: no verb {word!r}: {hint}\n"


def test_wrong_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["it", "--number", "x"], verbs=[verb("it", lambda args: 0)]) == 2
    assert "invalid int value" in capsys.readouterr().err


@pytest.mark.parametrize("error", [QueueFull("the queue is full"), CheckpointError("the checkpoint is empty")])
def test_errors_meant_for_the_user(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["it"], verbs=[verb("it", failing(error), ERRORS=(CheckpointError,))]) == 1
    assert capsys.readouterr() == ("", f"tritext it: {error}\n")


def test_other_errors_are_bugs_and_keep_their_traceback() -> None:
    with pytest.raises(CheckpointError):
        main(["it"], verbs=[verb("it", failing(CheckpointError("oops")))])


def test_interrupted(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["it"], verbs=[verb("it", failing(KeyboardInterrupt()))]) == 130
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("code", "expected"), [(0, 0), (None, 0), (3, 3), ("words", 1)])
def test_a_verb_that_exits_by_itself(code: Any, expected: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["it"], verbs=[verb("it", failing(SystemExit(code)))]) == expected
    assert capsys.readouterr().err == ("words\n" if code == "words" else "")


def test_a_reader_that_goes_away() -> None:
    code = (
        "import sys, types; from importlib.metadata import EntryPoint; from tritext._cli.main import main\n"
        "verb = types.ModuleType('endless'); sys.modules['endless'] = verb\n"
        "verb.HELP = ''; verb.configure = lambda parser: None\n"
        "verb.run = lambda args: sum(sys.stdout.write('line\\n') for _ in range(10**6))\n"
        "sys.exit(main(['it'], verbs=[EntryPoint('it', 'endless', '')]))"
    )
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb") as out:
        process = subprocess.Popen([sys.executable, "-c", code], stdout=out, stderr=subprocess.PIPE)
    assert os.read(reader, 4) == b"line"
    os.close(reader)
    assert process.communicate(timeout=60)[1] == b""
    assert process.returncode == 141


def test_the_installed_verbs_are_found() -> None:
    installed = {point.name: point.value for point in entry_points(group=GROUP)}
    assert installed["classify"] == "tritext._cli.classify"
