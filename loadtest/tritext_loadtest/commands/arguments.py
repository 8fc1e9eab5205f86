"""What the verbs' arguments share: files of texts; and kinds, a word in, a checked number or argparse's refusal out."""

import argparse
from collections.abc import Callable
from pathlib import Path


def add_texts(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Declare the file of texts and the column where they stand."""
    parser.add_argument("--texts", required=required, type=Path, metavar="FILE", help="TSV, CSV or JSONL file of texts")
    parser.add_argument("--text-column", default="text", metavar="NAME", help="where the text stands (default: text)")


def add_pairs(parser: argparse.ArgumentParser) -> None:
    """Declare the column of second texts."""
    parser.add_argument("--pair-column", metavar="NAME", help="where the second text stands, for a model of pairs")


def count(word: str) -> int:
    """Read a whole number of 1 or more."""
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"{word!r} is not a whole number of 1 or more")
    return int(word)


def count_to(most: int) -> Callable[[str], int]:
    """Make what reads a whole number from 1 to ``most``."""

    def read(word: str) -> int:
        if not word.isdecimal() or not 1 <= int(word) <= most:
            raise argparse.ArgumentTypeError(f"{word!r} is not a whole number from 1 to {most}")
        return int(word)

    return read


def positive(word: str) -> float:
    """Read a number above 0."""
    try:
        value = float(word)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{word!r} is not a number above 0")
    return value
