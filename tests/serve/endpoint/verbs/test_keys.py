"""What `tritext endpoint keys` makes of its words; a running endpoint's answers are in tests/e2e/test_promote.py."""

import io

import pytest
from rich.console import Console

from tritext_serve.endpoint import keys
from tritext_serve.endpoint.verbs.keys import action, table
from tritext_serve.errors import KeysError


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", ("list", "")),
        ("list", ("list", "")),
        ("primary", ("show", "primary")),
        ("show secondary", ("show", "secondary")),
        ("rotate primary", ("rotate", "primary")),
    ],
)
def test_words_that_mean_something(words: str, expected: tuple[str, str]) -> None:
    assert action(words.split()) == expected


@pytest.mark.parametrize(
    "words", ["rotate", "rotate both", "show", "third", "list primary", "rotate primary secondary"]
)
def test_words_that_mean_nothing_are_named(words: str) -> None:
    with pytest.raises(KeysError, match=f"^'{words}': write list, primary, secondary, or rotate"):
        action(words.split())


@pytest.mark.parametrize(
    ("seconds", "age"), [(5, "5 s"), (119, "119 s"), (120, "2 minutes"), (7200, "2 hours"), (200_000, "2 days")]
)
def test_the_list_tells_ages_and_no_key(seconds: float, age: str) -> None:
    made = keys.make()
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(table(made.described(), made.entries["primary"].made + seconds))
    shown = console.export_text()
    assert age in shown
    assert made.entries["secondary"].fingerprint in shown
    assert not any(secret in shown for secret in made.values())
