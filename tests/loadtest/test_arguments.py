"""Numbers on the command line: read, or refused by what they are."""

import argparse
from collections.abc import Callable

import pytest

from tritext_loadtest.commands.arguments import count, count_to, positive


def test_numbers_are_read() -> None:
    assert (count("3"), count_to(4)("4"), positive("0.5")) == (3, 4, 0.5)


@pytest.mark.parametrize(
    ("read", "word"),
    [(count, "0"), (count, "-1"), (count, "x"), (count_to(4), "5"), (count_to(4), "0")]
    + [(positive, word) for word in ("0", "-1", "inf", "nan", "x")],
)
def test_what_is_none_is_refused_by_name(read: Callable[[str], float], word: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=f"^'{word}' is not a"):
        read(word)
