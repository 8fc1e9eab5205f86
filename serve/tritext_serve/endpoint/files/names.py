"""What names may look like, by Azure ML's rules; they end up in headers, host names and paths. Pure."""

import re

from tritext_serve.endpoint.files.section import Section

# Azure's table of limits (how-to-manage-quotas): a letter first, 3 to 32 letters and digits, single dashes between.
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*(-[A-Za-z0-9]+)*")
SHORTEST, LONGEST = 3, 32


def read_name(section: Section, field: str, example: str) -> str:
    """Read the name of an endpoint or a deployment; "" where it is missing or must not be one."""
    name = section.text(field, example)
    if name is None:
        return ""
    if not _NAME.fullmatch(name):
        section.refuse(field, f"{name!r} is not a name", "use letters, digits and single dashes, a letter first")
    elif not SHORTEST <= len(name) <= LONGEST:
        section.refuse(field, f"{name!r} has {len(name)} characters", f"use {SHORTEST} to {LONGEST}")
    else:
        return name
    return ""
