"""Triton's log: lines in, the reasons that a person needs out. Pure."""

import re
from collections.abc import Iterable

_ERROR = re.compile(r"^[EF]\d{4} [\d:.]+ \d+ (?:\S+\] )?\"?(?P<words>.*?)\"?$")
_UNAVAILABLE = re.compile(r"^\| (?P<model>\S+)\s*\| (?P<version>\S+)\s*\| (?P<words>UNAVAILABLE: .*?)\s*\|$")


def reasons(lines: Iterable[str]) -> list[str]:
    """Pick what went wrong out of a log, once each, in order.

    A line of Triton's own model table that says UNAVAILABLE names the model best; error lines stand in where it
    has none.
    """
    errors, unavailable = [], []
    for line in lines:
        if row := _UNAVAILABLE.match(line.rstrip()):
            unavailable.append(f"{row['model']} version {row['version']}: {row['words'].removeprefix('UNAVAILABLE: ')}")
        elif error := _ERROR.match(line.rstrip()):
            errors.append(error["words"])
    return list(dict.fromkeys(unavailable or errors))
