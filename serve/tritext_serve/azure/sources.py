"""An endpoint's files once more, as they are: bytes in, plain tables with their lines out.

``endpoint.files.load`` has read and judged them already, and keeps what a machine of one's own needs. What is for Azure
alone (instance types, a description, a workspace's place) is read here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tritext_serve.endpoint.files.kind import DEPLOYMENT, ENDPOINT, WORKSPACE, find_kind
from tritext_serve.endpoint.files.report import Report
from tritext_serve.endpoint.files.section import Section
from tritext_serve.endpoint.files.tree import Items, Leaf, Node, Table, read_tree
from tritext_serve.errors import EndpointFileError


@dataclass(frozen=True, slots=True)
class Source:
    """One file.

    Attributes:
        kind: What it is of: ``ENDPOINT``, ``DEPLOYMENT`` or ``WORKSPACE``.
        section: To read it field by field; its report gets what is said of it.
        report: That report.
        fields: All of it.
    """

    kind: str
    section: Section
    report: Report
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sources:
    """The files of one endpoint.

    Attributes:
        endpoint: Its own.
        deployments: Of each deployment, in the order given.
        workspace: What may leave, and where it all is.
    """

    endpoint: Source
    deployments: tuple[Source, ...]
    workspace: Source


def read_source(path: Path) -> Source:
    """Read one file that may be of any of the three kinds.

    Raises:
        EndpointFileError: it is none of them.
    """
    report = Report(str(path))
    table = read_table(path, report)
    section = Section(table, report)
    kind = find_kind(section)
    if kind is None:
        raise EndpointFileError("\n".join(str(problem) for problem in report.problems))
    return Source(kind, section, report, plain(table))


def read_table(path: Path, report: Report) -> Table:
    """Read a file's table.

    Raises:
        EndpointFileError: it cannot be read.
    """
    try:
        table = read_tree(path.read_bytes(), report)
    except OSError as error:
        what = "is not there" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
        raise EndpointFileError(f"{path}: {what}: give a file that this user can read") from error
    if table is None or report.problems:
        raise EndpointFileError("\n".join(str(problem) for problem in report.problems))
    return table


def read_sources(paths: Sequence[Path]) -> Sources:
    """Read the files of an endpoint that ``load`` found no mistake in.

    Raises:
        EndpointFileError: none of them is a workspace's, or none a deployment's.
    """
    found = [read_source(path) for path in paths]
    workspaces = [each for each in found if each.kind == WORKSPACE]
    (endpoint,) = (each for each in found if each.kind == ENDPOINT)
    if not workspaces:
        raise EndpointFileError(
            f"{endpoint.report.file}:1: file: no workspace's file is given, and Azure's endpoints are in one: give a "
            "file with `name`, `location` and `managed_network` too"
        )
    deployments = tuple(each for each in found if each.kind == DEPLOYMENT)
    if not deployments:
        raise EndpointFileError(
            f"{endpoint.report.file}:1: file: no deployment's file is given, and nobody would answer: give one too"
        )
    return Sources(endpoint, deployments, workspaces[0])


def plain(node: Node) -> Any:
    """Take the lines away."""
    if isinstance(node, Leaf):
        return node.value
    if isinstance(node, Items):
        return [plain(item) for item in node.items]
    return {name: plain(entry) for name, entry in node.entries.items()}
