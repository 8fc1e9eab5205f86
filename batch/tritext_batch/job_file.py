"""A job file in, a job out, or every mistake by key and line. YAML; imports pyyaml, alone here.

The keys are those of hosted inference jobs: ``name``, ``input_type``, ``input_uri``, ``output_type``, ``output_uri``,
``model`` with ``source_type`` and ``source_uri``, ``environment``.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from tritext_batch.errors import JobFileError
from tritext_batch.formats import GOES_OUT_AS, KINDS
from tritext_batch.formats.grouping import Limits
from tritext_batch.job import ENDPOINT, LOCAL, RAY, REPOSITORY, Environment, Job, Model, check, infer_type

Check = Callable[[Any], str]  # gives what a value should have been, or nothing
MOST_BYTES = 64 << 10


def _text(value: Any) -> str:
    return "" if isinstance(value, str) and value.strip() and value.isprintable() else "a line of text"


def _any_text(value: Any) -> str:
    return "" if isinstance(value, str) and value.isprintable() else "a line of text"


def _flag(value: Any) -> str:
    return "" if isinstance(value, bool) else "true or false"


def one_of(*words: str) -> Check:
    """Take one of these words."""
    return lambda value: "" if value in words else f"one of {', '.join(words)}"


def whole(lowest: int, highest: int) -> Check:
    """Take a whole number between two."""

    def check_whole(value: Any) -> str:
        right = isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest
        return "" if right else f"a whole number from {lowest} to {highest}"

    return check_whole


_TOP: dict[str, Check] = {
    "name": _text,
    "input_type": one_of(*KINDS),
    "input_uri": _text,
    "output_type": one_of(*KINDS),
    "output_uri": _text,
    "column": _text,
    "prefix": _any_text,
    "mixed_versions": _flag,
    "max_row_bytes": whole(1024, 1 << 30),
}
_MODEL: dict[str, Check] = {
    "name": _text,
    "source_type": one_of(ENDPOINT, REPOSITORY),
    "source_uri": _text,
    "version": whole(1, 10**9),
}
_ENVIRONMENT: dict[str, Check] = {
    "engine": one_of(LOCAL, RAY),
    "address": _text,
    "workers": whole(1, 10_000),
    "key_file": _text,
    "ca_file": _text,
    "max_in_flight": whole(1, 1024),
    "patience": whole(0, 86_400),
    "work": _text,
}
_TABLES = {"": _TOP, "model": _MODEL, "environment": _ENVIRONMENT}
_SECTIONS = ("model", "environment")
_REQUIRED = {"": ("name", "input_uri", "output_uri", "model"), "model": ("source_type", "source_uri")}


def read_job_file(path: Path) -> Job:
    """Read and check a job file; relative paths in it are relative to the working directory.

    Raises:
        JobFileError: with a line for each mistake: file, line, key, what is wrong and what to write.
    """
    found = _Reading(str(path), _compose(path))
    top = found.table("", found.root)
    if found.mistakes:
        raise JobFileError("\n".join(found.mistakes))
    return _job(top, found.marks)


def _job(top: Mapping[str, Any], marks: Mapping[str, str]) -> Job:
    model, environment = dict(top["model"]), dict(top.get("environment", {}))
    for key in ("key_file", "ca_file", "work"):
        if key in environment:
            environment[key] = Path(environment[key])
    if "version" in model:
        model["version"] = str(model["version"])
    limits = Limits(row_bytes=top["max_row_bytes"]) if "max_row_bytes" in top else Limits()
    input_type = _type(top, "input", marks, KINDS)
    kept: dict[str, Any] = {key: top[key] for key in ("name", "column", "prefix", "mixed_versions") if key in top}
    job = Job(
        top["input_uri"],
        top["output_uri"],
        input_type,
        _type(top, "output", marks, GOES_OUT_AS[input_type]),
        **kept,
        model=Model(**model),
        environment=Environment(**environment),
        limits=limits,
    )
    return check(job, marks)


def _type(top: Mapping[str, Any], end: str, marks: Mapping[str, str], kinds: Iterable[str]) -> str:
    try:
        return infer_type(top.get(f"{end}_type"), top[f"{end}_uri"], end, kinds)
    except JobFileError as error:
        raise JobFileError(f"{marks[f'{end}_uri']}{error}") from error


def _compose(path: Path) -> yaml.Node:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise JobFileError(f"{path}: {error.strerror}: check the name of the job file") from error
    if len(content) > MOST_BYTES:
        raise JobFileError(f"{path}: {len(content)} bytes are no job file: {MOST_BYTES} at most")
    try:
        root = yaml.compose(content.decode(), yaml.SafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise JobFileError(f"{path}{line}: not YAML: {getattr(error, 'problem', None) or error}") from error
    if root is None:
        raise JobFileError(f"{path}: empty: docs/score.md shows what belongs into it")
    return root


class _Reading:
    """One file's values, where each stands, and all mistakes."""

    def __init__(self, name: str, root: yaml.Node) -> None:
        self.name, self.root = name, root
        self.mistakes: list[str] = []
        self.marks: dict[str, str] = {}

    def table(self, section: str, node: yaml.Node) -> dict[str, Any]:
        """Read a mapping by its table of keys; mistakes are noted."""
        if not isinstance(node, yaml.MappingNode):
            self._mistake(node, section or "the file", "must be keys with values")
            return {}
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(getattr(key_node, "value", "")) if isinstance(key_node, yaml.ScalarNode) else "?"
            if key in values:
                self._mistake(key_node, key, "stands here twice")
            values[key] = self._value(section, key, key_node, value_node)
        for key in _REQUIRED.get(section, ()):
            if key not in values:
                self._mistake(node, f"{section}.{key}" if section else key, "is missing")
        return values

    def _value(self, section: str, key: str, key_node: yaml.Node, node: yaml.Node) -> Any:
        self.marks[key] = f"{self._at(key_node)}: "
        table = _TABLES[section]
        if not section and key in _SECTIONS:
            return self.table(key, node)
        if key not in table:
            self._mistake(
                key_node,
                key,
                f"is no key of {section or 'a job'}: there are {', '.join((*table, *(() if section else _SECTIONS)))}",
            )
            return None
        value = _scalar(node)
        if wanted := table[key](value):
            self._mistake(node, key, f"is {value!r}: give {wanted}")
        return value

    def _at(self, node: yaml.Node) -> str:
        return f"{self.name}:{node.start_mark.line + 1}"

    def _mistake(self, node: yaml.Node, key: str, what: str) -> None:
        self.mistakes.append(f"{self._at(node)}: {key} {what}")


def _scalar(node: yaml.Node) -> Any:
    """Construct a plain value; lists and objects have no place in these files, nor do dates."""
    if not isinstance(node, yaml.ScalarNode):
        return [] if isinstance(node, yaml.SequenceNode) else {}
    if node.tag == "tag:yaml.org,2002:timestamp":
        return node.value
    try:
        return yaml.SafeLoader("").construct_object(node)
    except (yaml.YAMLError, ValueError):
        return node.value
