"""``tritext endpoint render --target azure``: write the files for Azure, and say what to type next.

With ``--check`` the files given are Azure's own already, by whomever they were written: they are judged and left alone.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from tritext_serve.azure.render import HEAD, Rendered, render
from tritext_serve.azure.rules import problems
from tritext_serve.endpoint.edge.files import read, replace
from tritext_serve.endpoint.verbs.shared import say
from tritext_serve.errors import EndpointFileError

CLOUD, OUTPUT = Path("deploy/azure/cloud.yml"), Path("deploy/azure/rendered")


def write(paths: Sequence[Path], cloud: Path, folder: Path) -> int:
    """Render and write the files.

    Raises:
        EndpointFileError: the files hold mistakes, one of them would be written over, or the folder cannot be written.
    """
    rendered = render(paths, cloud, folder)
    _check_apart(rendered, (*paths, cloud), folder)
    for note in rendered.notes:
        say(note)
    try:
        _write(rendered, folder)
    except OSError as error:
        raise EndpointFileError(f"{folder}: {error.strerror}: choose another with --output") from error
    sys.stdout.write(_announcement(rendered, folder))
    return 0


def check(paths: Sequence[Path]) -> int:
    """Judge files for Azure.

    Raises:
        EndpointFileError: they hold mistakes; the message has a line for each.
    """
    if mistakes := problems(paths):
        raise EndpointFileError("\n".join(mistakes))
    sys.stdout.write(f"nothing to say against {len(paths)} files\n")
    return 0


def _check_apart(rendered: Rendered, sources: Sequence[Path], folder: Path) -> None:
    """Refuse a folder where a rendered file would take the place of one that it is rendered from."""
    given = {path.resolve() for path in sources}
    for name in rendered.texts:
        if (folder / name).resolve() in given:
            raise EndpointFileError(f"{folder / name}: would be written over: choose another folder with --output")


def _write(rendered: Rendered, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in rendered.texts.items():
        if read(folder / name) != text:
            replace(folder / name, text)
    for stale in folder.glob("deployment-*.yml"):
        if stale.name not in rendered.texts and (read(stale) or "").startswith(HEAD):
            stale.unlink()


def _announcement(rendered: Rendered, folder: Path) -> str:
    names = ", ".join(rendered.endpoint.deployments)
    return (
        f"written  {folder}, for {rendered.endpoint.name}: {names}\n"
        "look     deploy/azure/endpoint.sh create --dry-run\n"
        "create   deploy/azure/endpoint.sh create\n"
    )
