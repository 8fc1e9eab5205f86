"""Kinds of command-line arguments: a word in, a checked value or argparse's own one-line refusal out."""

import argparse


def count(word: str) -> int:
    """Read a whole number of 1 or more."""
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"{word!r} is not a whole number of 1 or more")
    return int(word)


def positive(word: str) -> float:
    """Read a number above 0."""
    value = _number(word)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{word!r} is not a number above 0")
    return value


def share(word: str) -> float:
    """Read a number from 0 to 1."""
    value = _number(word)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{word!r} is not a number from 0 to 1")
    return value


def names(word: str) -> tuple[str, ...]:
    """Read names with commas between them."""
    return tuple(name.strip() for name in word.split(","))


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{word!r} is not a number") from error
