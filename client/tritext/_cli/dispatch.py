"""The choice of a verb: words in, the exit code of what they name out.

A verb is an entry point of the group ``tritext.verbs``, naming a module with

* ``HELP: str``, one line,
* ``configure(parser) -> None``, which adds arguments and an epilog with an example,
* ``run(args) -> int``, the exit code,
* ``ERRORS: tuple[type[Exception], ...]`` if it wants, the exceptions whose message is meant for the user.

A name such as ``repository.push`` is an action of the verb ``repository`` that another package brings: two words.
Only the chosen verb is imported, so no verb pays for another's dependencies. Exit codes: 0 done, 1 failed with a
message on stderr, 2 wrong usage, 130 interrupted, 141 the reader of the output went away.
"""

import argparse
import difflib
import importlib.metadata
import io
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

from tritext._cli.interruption import INTERRUPTED, postponed, repeated
from tritext._errors import TritextError
from tritext._version import __version__

FAILED, USAGE, NO_READER = 1, 2, 141

_USAGE = """\
usage: tritext VERB [ARGUMENT ...]
       tritext --version

Serve fine-tuned text classifiers on NVIDIA Triton, with the labels proved unchanged.
"""


def dispatch(words: Sequence[str], verbs: str | Iterable[EntryPoint]) -> int:
    """Run one verb.

    Args:
        words: Those behind ``tritext``.
        verbs: The verbs to choose from, or the group of those that are installed.

    Returns:
        The exit code.
    """
    name = ""
    _open_output()
    try:
        with postponed():
            found = {
                _words(v): v
                for v in (importlib.metadata.entry_points(group=verbs) if isinstance(verbs, str) else verbs)
            }
            if (code := _told(words, found)) is None:
                count = _count(words, found)
                name = " ".join(words[:count])
        if code is None:
            code = _run(found[name], words[count:])
        sys.stdout.flush()  # so that a reader who has gone shows here, not as the interpreter ends
    except KeyboardInterrupt:
        sys.stderr.write(f"{f'tritext {name}'.strip()}: interrupted\n")
        return INTERRUPTED
    except BrokenPipeError:
        _drop_output()
        return NO_READER
    except OSError as error:  # such as a full disk behind the output
        _drop_output()
        sys.stderr.write(f"{f'tritext {name}'.strip()}: {error}\n")
        return FAILED
    return code


def _told(words: Sequence[str], found: Mapping[str, EntryPoint]) -> int | None:
    """Answer what is no verb; give None for a verb."""
    if not words or words[0] in ("-h", "--help", "help"):
        (sys.stdout if words else sys.stderr).write(_overview(found))
        return 0 if words else USAGE
    if words[0] in ("-V", "--version"):
        sys.stdout.write(f"tritext {__version__}\n")
        return 0
    if (name := " ".join(words[: _count(words, found)])) not in found:
        sys.stderr.write(_unknown(name, found))
        return USAGE
    return None


def _count(words: Sequence[str], found: Mapping[str, EntryPoint]) -> int:
    """Say how many words the verb has."""
    return 2 if " ".join(words[:2]) in found else 1


def _words(verb: EntryPoint) -> str:
    """Give what the user types for a verb."""
    return verb.name.replace(".", " ")


def _run(verb: EntryPoint, words: Sequence[str]) -> int:
    try:
        with postponed():
            module = verb.load()
    except ImportError as error:
        sys.stderr.write(f"tritext {_words(verb)}: {error}: run {_remedy(verb)}\n")
        return FAILED
    errors = (TritextError, *getattr(module, "ERRORS", ()))
    try:
        with postponed():  # a verb may import its actions for its arguments
            args = _parser(_words(verb), module).parse_args(words)
        with repeated():
            code: int = module.run(args)
    except SystemExit as stop:
        return _code(stop)
    except errors as error:
        sys.stderr.write(f"tritext {_words(verb)}: {error}\n")
        return FAILED
    return code


def _open_output() -> None:
    """Make an output that takes all that is said: a shell can close it, and a file's name need be no text."""
    if sys.stdout is None:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  # for as long as the process lives
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _drop_output() -> None:
    """Drop what is still in the buffer: it has nowhere to go, and the interpreter would complain as it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _code(stop: SystemExit) -> int:
    """The exit code that Python gives: argparse ends with 0 after --help and 2 after a wrong argument."""
    if isinstance(stop.code, str):
        sys.stderr.write(f"{stop.code}\n")
        return FAILED
    return stop.code or 0


def _parser(name: str, module: ModuleType) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"tritext {name}",
        description=module.HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.configure(parser)
    return parser


def _overview(verbs: Mapping[str, EntryPoint]) -> str:
    width = max(map(len, verbs), default=0)
    lines = "".join(f"  {name:<{width}}  {_help(verbs[name])}\n" for name in sorted(verbs))
    return f"{_USAGE}\nverbs:\n{lines}\n`tritext VERB --help` explains a verb and shows an example.\n"


def _help(verb: EntryPoint) -> str:
    try:
        return str(verb.load().HELP)
    except ImportError as error:
        return f"needs {_remedy(verb)} ({error})"


def _remedy(verb: EntryPoint) -> str:
    """The command that installs what a verb lacks: the package tritext_X is the extra X."""
    package = verb.module.partition(".")[0]
    extra = package.removeprefix("tritext_")
    return f"`pip install 'tritext[{extra}]'`" if extra != package else f"`pip install --upgrade {package}`"


def _unknown(word: str, verbs: Mapping[str, EntryPoint]) -> str:
    close = difflib.get_close_matches(word, verbs, n=1)
    hint = f"did you mean `tritext {close[0]}`?" if close else "`tritext --help` lists the verbs"
    return f"tritext: no verb {word!r}: {hint}\n"
