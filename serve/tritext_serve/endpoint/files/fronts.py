"""Which model a deployment answers with: its repository's fronts in, names behind ``/predict/`` out."""

import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from tritext_serve.repository import scan

TRAINED = "trained"
# A model's name is part of a path and of Envoy's route: what else it could hold would have to be escaped there.
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
# A repository's folder in, its fronts' names out.
Fronts = Callable[[Path], Collection[str]]


def scan_fronts(repository: Path) -> tuple[str, ...]:
    """Read which fronts a repository holds.

    Raises:
        RepositoryError: it is not there, not a model repository, or must not be served.
    """
    return tuple(model.name for model in scan(repository) if model.is_front)


def choose(fronts: Collection[str]) -> str:
    """Choose the front that ``/predict`` asks: the first that is no variant of another.

    Args:
        fronts: At least one name.
    """
    return min(fronts, key=lambda name: (any(_suffix(name, other) for other in fronts), name))


def variants(model: str, fronts: Collection[str]) -> Mapping[str, str]:
    """Name the fronts behind ``/predict/``: by suffix, by name, and the default as ``trained``.

    Args:
        model: The default, such as ``sentiment``.
        fronts: All of them; ``sentiment_naive`` is reached as ``naive`` and as ``sentiment_naive``.
    """
    by_suffix = {suffix: name for name in sorted(fronts) if (suffix := _suffix(name, model))}
    return {TRAINED: model, **by_suffix, **{name: name for name in sorted(fronts)}}


def _suffix(name: str, model: str) -> str:
    """What follows a model's name and an underscore; "" where it is no variant."""
    return name.removeprefix(f"{model}_") if name.startswith(f"{model}_") else ""
