"""The page: a result in, one HTML file that needs nothing else out.

The template writes and escapes; the pictures come from ``plots``; nothing is computed here.
"""

import re
from functools import cache
from importlib.resources import files

from jinja2 import DictLoader, Environment, StrictUndefined, Template
from markupsafe import Markup

from tritext_loadtest.report.plots import plots
from tritext_loadtest.report.table import (
    CHECK_HEAD,
    MEMORY_HEAD,
    SERVED_HEAD,
    check_rows,
    memory_rows,
    request_rows,
    served_rows,
)
from tritext_loadtest.result import Exit, Result

# Control characters and halves of pairs, which HTML forbids or UTF-8 cannot write: let them be seen.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def to_html(result: Result) -> str:
    """Write the page: no script, nothing loaded from elsewhere, light or dark as the reader's system is."""
    page: str = _template().render(
        r=result,
        held=result.verdict is Exit.HELD,
        style=Markup(_resource("style.css")),  # noqa: S704  # our own file
        plots=plots(result),
        requests=request_rows(result),
        checks=(CHECK_HEAD, check_rows(result)),
        tables=[
            ("By the server's own metrics", SERVED_HEAD, served_rows(result)),
            ("The server's processes", MEMORY_HEAD, memory_rows(result)),
        ],
    )
    return _UNSEEN.sub("\N{REPLACEMENT CHARACTER}", page)


@cache
def _template() -> Template:
    environment = Environment(
        loader=DictLoader({"page.html": _resource("page.html")}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html")


def _resource(name: str) -> str:
    return (files("tritext_loadtest.report") / name).read_text(encoding="utf-8")
