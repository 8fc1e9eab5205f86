"""Bicep's syntax: a file in, its tree by tree-sitter-bicep out, with what reading the tree needs."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import tree_sitter_bicep
from tree_sitter import Language, Node, Parser


class BicepError(ValueError):
    """A file is not Bicep, or holds what is not known here."""


@cache
def _parser() -> Parser:
    return Parser(Language(tree_sitter_bicep.language()))


def parse(path: Path) -> Node:
    """Read a file.

    Raises:
        BicepError: it is not Bicep.
    """
    root = _parser().parse(path.read_bytes()).root_node
    if root.has_error:
        line = next(node.start_point[0] + 1 for node in _all(root) if node.type == "ERROR" or node.is_missing)
        raise BicepError(f"{path}:{line}: is not Bicep")
    return root


def _all(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from _all(child)


def text_of(node: Node) -> str:
    """What stands in the file."""
    return (node.text or b"").decode()


def named(node: Node) -> list[Node]:
    """The parts of a node, without signs and comments."""
    return [child for child in node.named_children if child.type not in ("comment", "diagnostic_comment")]


def has_default(node: Node) -> bool:
    """Whether a parameter need not be given."""
    return any(child.type == "=" for child in node.children)
