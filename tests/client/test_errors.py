"""The drawing at the top of the errors' file is the tree itself."""

import re

import pytest

from tritext import _errors
from tritext._errors import BatchTooLarge, TritextError

DRAWN = re.findall(r"^([│ ├└─]*)([A-Z]\w+)(?: {2,}|$)", _errors.__doc__ or "", re.MULTILINE)
CLASSES = [value for value in vars(_errors).values() if isinstance(value, type) and issubclass(value, TritextError)]


def test_the_drawing_is_the_tree() -> None:
    above: list[str] = []
    pairs = set()
    for indent, name in DRAWN:
        depth = len(indent) // 4
        above[depth:] = [name]
        pairs.add((name, above[depth - 1] if depth else "Exception"))
    assert pairs == {(kind.__name__, kind.__bases__[0].__name__) for kind in CLASSES}


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_says_what_it_is(kind: type[TritextError]) -> None:
    assert (kind.__doc__ or "").endswith((".", ". ")) or "Attributes:" in (kind.__doc__ or "")


def test_only_what_waiting_can_mend_is_retried() -> None:
    assert {kind.__name__ for kind in CLASSES if kind.retryable} == {"QueueFull", "Unavailable"}


def test_the_limit_is_part_of_the_error() -> None:
    assert BatchTooLarge("too many", 4).limit == 4
    assert BatchTooLarge("too many").limit == 0
