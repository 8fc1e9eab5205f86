"""A result as others read it: JSON for programs, JUnit for CI, Markdown for a pull request, a page for people."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from tritext_loadtest.destinations import write_whole
from tritext_loadtest.errors import DestinationError
from tritext_loadtest.report.junit import to_junit
from tritext_loadtest.report.markdown import to_markdown
from tritext_loadtest.report.page import to_html
from tritext_loadtest.result import Result

WRITERS: Mapping[str, Callable[[Result], str]] = {
    "json": lambda result: json.dumps(result.to_json(), indent=2, ensure_ascii=False) + "\n",
    "junit": to_junit,
    "markdown": to_markdown,
    "html": to_html,
}


def write_reports(result: Result, wanted: Mapping[str, Path]) -> None:
    """Write reports.

    Args:
        result: The run.
        wanted: Files by the name of their kind.

    Raises:
        DestinationError: a file cannot be written; the others are.
    """
    failed = []
    for name, path in wanted.items():
        try:
            write_whole(path, WRITERS[name](result))
        except OSError as error:
            failed.append(f"--{name} {path}: {error.strerror or error}")
    if failed:
        raise DestinationError(f"{'; '.join(failed)}: the run is over and told above; choose another place")
