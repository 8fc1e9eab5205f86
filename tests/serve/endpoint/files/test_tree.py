"""YAML bytes: what gets through, what is refused, and that nothing ends in a trace."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tritext_serve.endpoint.files.report import Report
from tritext_serve.endpoint.files.tree import MAX_BYTES, Items, Leaf, Table, read_tree

# Pieces that the scanner treats specially, so that what is drawn gets further than its first byte.
PIECES = st.sampled_from(
    [
        *(
            "name: ",
            "\n",
            "  ",
            "\t",
            "- ",
            "[",
            "]",
            "{",
            "}",
            ": ",
            ", ",
            "&a ",
            "*a",
            "!!int ",
            "!",
            "|",
            ">",
            '"',
            "'",
        ),
        *(
            "---\n",
            "...\n",
            "%YAML 1.1\n",
            "<<",
            "? ",
            "#",
            "\\U00110000",
            "\\ud800",
            "0x",
            "1e",
            "~",
            "yes",
            "2026-99-99",
        ),
    ]
)
NEARLY_YAML = st.lists(st.one_of(PIECES, st.text(max_size=3)), max_size=40).map(
    lambda pieces: "".join(pieces).encode("utf-8", "replace")
)


def read(content: bytes | str) -> tuple[Table | None, list[str]]:
    """Read bytes, or text in UTF-8: the tree and what is said of it."""
    report = Report("a.yml")
    tree = read_tree(content.encode() if isinstance(content, str) else content, report)
    return tree, [str(problem) for problem in report.problems]


@settings(deadline=None)
@given(st.one_of(st.binary(max_size=200), NEARLY_YAML))
def test_any_bytes_give_a_tree_or_one_line_for_each_problem(content: bytes) -> None:
    tree, problems = read(content)
    assert tree is not None or problems
    assert all(problem.startswith("a.yml:") and problem.isprintable() for problem in problems)


@settings(deadline=None)
@given(st.one_of(st.binary(max_size=200), NEARLY_YAML))
def test_lines_are_those_of_the_file(content: bytes) -> None:
    report = Report("a.yml")
    read_tree(content, report)
    last = len(content.decode("utf-8", "replace").splitlines()) + 1
    assert all(1 <= problem.line <= last for problem in report.problems)


def test_values_have_the_types_of_yaml_and_their_lines() -> None:
    tree, problems = read("a: 1\nb: [yes, x, 1.5]\nc:\n  d: ~\n  e: 2026-11-22\n")
    assert not problems
    assert tree is not None
    assert tree.entries["a"] == Leaf(1, 1)
    items = tree.entries["b"]
    assert isinstance(items, Items)
    assert [leaf.value for leaf in items.items if isinstance(leaf, Leaf)] == [True, "x", 1.5]
    inner = tree.entries["c"]
    assert isinstance(inner, Table)
    assert inner.lines == {"d": 4, "e": 5}
    assert inner.entries["e"] == Leaf("2026-11-22", 5)


def test_an_alias_stands_for_its_anchor() -> None:
    tree, problems = read("a: &a {x: 1}\nb: *a\n")
    assert not problems
    assert tree is not None
    assert tree.entries["b"] is tree.entries["a"]


def test_a_byte_order_mark_is_no_mistake() -> None:
    tree, problems = read(b"\xef\xbb\xbfname: films\n")
    assert (tree and tree.entries["name"], problems) == (Leaf("films", 1), [])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a: 1\nb: \xff\n", "a.yml:2: file: is not UTF-8"),
        ("a: films".encode("utf-16"), "a.yml:1: file: is not UTF-8"),
        (b"a: 1\nb: \x07\n", r"a.yml:2: file: unacceptable character '\x07'"),
        (b"a: " + b"x" * MAX_BYTES, "a.yml:1: file: is longer than 1,048,576 bytes"),
        (b"", "a.yml:1: file: is empty"),
        (b"- a\n", "a.yml:1: file: is not a table"),
        (b"a: 1\n? [b]\n: 2\n", "a.yml:2: file: a key is not plain text"),
        (b"a: *nothing\n", "a.yml:1: file: alias 'nothing' stands before or inside its anchor"),
        (b'a: "\\U00110000"\n', "a.yml:1: file: is not YAML"),
        (b"a: !!int films\n", "a.yml:1: file: 'films' is not of its type"),
        (b"a: !!bool films\n", "a.yml:1: file: 'films' is not of its type"),
        (b'a: !!int ""\n', "a.yml:1: file: '' is not of its type"),
        (b"a: {b\n", "a.yml:2: file: "),
        (b"\n".join(b"k%d: 1" % number for number in range(6000)), "holds more than 10,000 values"),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_what_is_refused_is_said_with_its_line(content: bytes, said: str) -> None:
    tree, problems = read(content)
    assert tree is None
    assert len(problems) == 1
    assert said in problems[0]
