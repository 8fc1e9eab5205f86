"""What ``tritext tune`` found for a model on a machine: a TOML file in, checked settings out.

::

    model = "sentiment"
    max_batch_tokens = 768
    threads = 2

A field that is missing leaves what it names as it is. Nothing here changes what is computed, only how it is cut up.
"""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tritext_serve.errors import TunedError

MODEL = "model"
SIZES = ("instances", "threads")
DELAY = "max_queue_delay_microseconds"
# The front's own parameters in ``config.pbtxt``, and the least of each.
PARAMETERS: Mapping[str, float] = {
    "max_batch_tokens": 1,
    "max_batch_texts": 1,
    "cost_call": 0.0,
    "cost_text": 0.0,
    "cost_token": 0.0,
    "cost_pair": 0.0,
}
FIELDS = (MODEL, *SIZES, DELAY, *PARAMETERS)
LARGEST = 10**9


@dataclass(frozen=True, slots=True)
class Tuned:
    """How one front is to be served.

    Attributes:
        model: Its name.
        instances: Its processes; None for as many as without the file.
        threads: Sub-batches that one of them runs at once; likewise.
        max_queue_delay_microseconds: How long Triton holds a request back for company; likewise.
        parameters: Parameters of the front, as ``config.pbtxt`` writes them.
    """

    model: str
    instances: int | None = None
    threads: int | None = None
    max_queue_delay_microseconds: int | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)


def read_tuned(path: Path) -> Tuned:
    """Read a file.

    Raises:
        TunedError: it cannot be read, names no model, or holds a field or a value that means nothing.
    """
    try:
        with path.open("rb") as file:
            content = tomllib.load(file)
    except (OSError, ValueError) as error:
        raise TunedError(f"{path}: {error}: give a file that `tritext tune` wrote") from error
    for name in content:
        if name not in FIELDS:
            raise TunedError(f"{path}: unknown field `{name}`: known are {', '.join(FIELDS)}")
    if not isinstance(content.get(MODEL), str):
        raise TunedError(f'{path}: says of no model: add a line such as `model = "sentiment"`')
    number = _reader(path, content)
    return Tuned(
        model=content[MODEL],
        instances=number("instances", 1),
        threads=number("threads", 1),
        max_queue_delay_microseconds=number(DELAY, 0),
        parameters={name: str(number(name, least)) for name, least in PARAMETERS.items() if name in content},
    )


def _reader(path: Path, content: Mapping[str, Any]) -> Callable[[str, float], Any]:
    """Make what reads a number of the least's own type."""

    def number(name: str, least: float) -> Any:
        value = content.get(name)
        whole = isinstance(least, int)
        fits = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
        if value is not None and not (fits and least <= value <= LARGEST):
            what = "a whole number" if whole else "a number"
            raise TunedError(f"{path}: {name} = {value!r}: give {what} from {least:g} to {LARGEST:,}")
        return value

    return number
