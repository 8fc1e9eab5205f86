"""Files without a mistake, which tests take the place of one by one."""

from pathlib import Path

import pytest

from tritext_serve.endpoint.files import load_endpoint
from tritext_serve.errors import EndpointFileError, RepositoryError

GOOD = Path(__file__).parent
FRONTS = ("sentiment", "sentiment_naive")


def good_files(*more: str) -> list[Path]:
    """The endpoint, its two deployments, and what else is asked for."""
    return [GOOD / f"{name}.yml" for name in ("endpoint", "blue", "green", *more)]


def problems(*paths: Path) -> list[str]:
    """What is said of files that are refused, a line for each mistake."""
    with pytest.raises(EndpointFileError) as caught:
        load_endpoint(paths, fronts)
    lines = str(caught.value).splitlines()
    if len(lines) == 1:
        return lines
    assert lines[0] == f"{len(lines) - 1} mistakes in these files:"
    return lines[1:]


def fronts(repository: Path) -> tuple[str, ...]:
    """Stand for a repository, so that the rules of files are tested without one."""
    if repository.name != "repository":
        raise RepositoryError(f"{repository}: no such directory: make one with `tritext export`")
    return FRONTS
