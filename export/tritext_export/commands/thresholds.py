"""What the user lets an export lose: flags and a ``[limits]`` table in a TOML file in, limits by their names out.

The flag wins over the file, and the file over the limits of the precision.
"""

import argparse
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tritext_export.certificate import Limits, limits_for
from tritext_export.commands.arguments import share
from tritext_export.errors import SourceError


def whole(word: str) -> int:
    """Read a whole number of 0 or more."""
    if not word.isdecimal():
        raise argparse.ArgumentTypeError(f"{word!r} is not a whole number of 0 or more")
    return int(word)


def amount(word: str) -> float:
    """Read a number of 0 or more."""
    try:
        value = float(word)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{word!r} is not a number") from error
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{word!r} is not a number of 0 or more")
    return value


# Flag, name of the limit, how it is read, how it is shown, what it says.
_FLAGS: tuple[tuple[str, str, Callable[[str], float], str, str], ...] = (
    ("min-agreement", "agreement", share, "SHARE", "of labels that must stay"),
    ("max-difference", "max_probability_difference", amount, "P", "of a probability"),
    ("max-accuracy-drop", "accuracy_drop", share, "SHARE", "by which the accuracy may fall, 0.005 for half a point"),
    ("max-unstable", "unstable", whole, "N", "texts whose label may change with the batch"),
    ("max-calibration-rise", "calibration_error_increase", share, "SHARE", "by which the calibration error may rise"),
)


def add_limits(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    group = parser.add_argument_group(
        "limits", "what the certificate must show; each flag wins over --spec, and --spec over the precision's defaults"
    )
    for flag, name, read, metavar, words in _FLAGS:
        shown = ", ".join(
            f"{precision} {getattr(limits_for(precision), name)}" for precision in ("fp32", "fp16", "int8")
        )
        group.add_argument(f"--{flag}", dest=name, type=read, metavar=metavar, help=f"{words} (default: {shown})")
    group.add_argument(
        "--spec", type=Path, metavar="FILE", help="TOML file with a [limits] table of these flags' names"
    )


def chosen_limits(args: argparse.Namespace) -> dict[str, float]:
    """Gather the limits that were chosen, by their names in ``Limits``.

    Raises:
        SourceError: the file cannot be read, or holds a table, a limit or a value that is unknown.
    """
    flags = {name: getattr(args, name) for name in Limits.__slots__ if getattr(args, name) is not None}
    return (read_spec(args.spec) if args.spec else {}) | flags


def read_spec(path: Path) -> dict[str, float]:
    """Read the ``[limits]`` of a TOML file.

    Raises:
        SourceError: it cannot be read, or holds a table, a limit or a value that is unknown.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SourceError(f"--spec {path}: {error.strerror}: give a TOML file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SourceError(f"--spec {path}: {error}: mend the TOML") from error
    unknown = sorted(set(content) - {"limits"})
    if unknown:
        raise SourceError(f"--spec {path}: it holds {unknown[0]!r}, which nothing reads: put limits under [limits]")
    table = content.get("limits", {})
    if not isinstance(table, Mapping):
        raise SourceError(f"--spec {path}: limits = {table!r} is no table: begin it with a line [limits]")
    return dict(_limit(path, key, value) for key, value in table.items())


def _limit(path: Path, key: str, value: Any) -> tuple[str, float]:
    known = {flag: (name, read) for flag, name, read, *_ in _FLAGS}
    if key not in known:
        raise SourceError(f"--spec {path}: the limit {key!r} is unknown: use {', '.join(known)}")
    name, read = known[key]
    try:
        # A number of TOML is written out and read as the flag's word is, so both know the same bounds.
        return name, read(str(value))
    except argparse.ArgumentTypeError as error:
        raise SourceError(f"--spec {path}: {key}: {error}") from error
