"""Finding verbs, running one, and what happens when it fails."""

import argparse
import os
import signal
import subprocess
import sys
import types
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import pytest

from tests.client.cli.conftest import CLASSIFY
from tritext import QueueFull, __version__
from tritext._cli.interruption import postponed
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
    assert capsys.readouterr() == ("", "tritext it: interrupted\n")


@pytest.mark.parametrize("words", [["it"], ["it", "--help"], ["--help"], []], ids=" ".join)
def test_interrupted_while_a_verb_is_imported(words: list[str], tmp_path: Path) -> None:
    (tmp_path / "at_once.py").write_text(
        "import signal, sys\n"
        "signal.raise_signal(signal.SIGINT)\n"
        "HELP, whole = 'help of it', True\n"
        "def configure(parser): pass\n"
        "def run(args): raise SystemExit('it ran all the same')\n"
    )
    code = (
        "import signal, sys; from importlib.metadata import EntryPoint; from tritext._cli.main import main\n"
        f"signal.signal(signal.SIGINT, signal.default_int_handler); sys.path.insert(0, {str(tmp_path)!r})\n"
        f"status = main({words!r}, verbs=[EntryPoint('it', 'at_once', 'tritext.verbs')])\n"
        "sys.exit(status if sys.modules['at_once'].whole else 'an import was broken off')\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    name = "tritext it" if words[:1] == ["it"] else "tritext"
    assert said.returncode == 130
    assert said.stderr.endswith(f"{name}: interrupted\n")
    assert "Traceback" not in said.stderr


def test_an_interruption_that_python_drops_comes_again() -> None:
    code = (
        "import signal, sys, time, types; from importlib.metadata import EntryPoint\n"
        "from tritext._cli.main import main\n"
        "class Ending:\n"
        "    def __del__(self): signal.raise_signal(signal.SIGINT)\n"
        "def run(args): Ending(); time.sleep(100)\n"
        "verb = types.ModuleType('it'); sys.modules['it'] = verb\n"
        "verb.HELP, verb.configure, verb.run = 'h', lambda parser: None, run\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "sys.exit(main(['it'], verbs=[EntryPoint('it', 'it', 'tritext.verbs')]))\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert (said.returncode, said.stderr) == (130, "tritext it: interrupted\n")


def interrupt_twice(seen: list[str]) -> None:
    with postponed():
        for press in ("one", "two"):
            signal.raise_signal(signal.SIGINT)
            seen.append(press)


def test_a_second_interruption_does_not_wait_for_an_import_that_hangs() -> None:
    seen: list[str] = []
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            interrupt_twice(seen)
        assert seen == ["one"]
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_where_ctrl_c_is_ignored_it_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with postponed():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


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


@pytest.mark.parametrize(("words", "code"), [("--help", 1), ("--version", 1), ("no-such-verb", 2)])
def test_an_output_that_is_full_is_told_in_one_line(words: str, code: int) -> None:
    line = [sys.executable, "-m", "tritext", *words.split()]
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(line, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert result.returncode == code
    assert len(result.stderr.splitlines()) == 1
    assert "No space left on device" in result.stderr or code == 2


def test_an_output_that_is_closed_takes_all_that_is_said() -> None:
    line = ["/bin/sh", "-c", '"$0" -m tritext --help >&-', sys.executable]
    result = subprocess.run(line, stderr=subprocess.PIPE, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


def test_the_installed_verbs_are_found() -> None:
    installed = {point.name: point.value for point in entry_points(group=GROUP)}
    assert installed["classify"] == "tritext._cli.classify"
