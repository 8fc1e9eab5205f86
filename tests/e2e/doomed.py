"""``python -m tests.e2e.doomed NAME WORD…`` is ``tritext WORD…``, killed before it opens a staged file called NAME.

The process kills itself, so nobody has to see the moment in time.
"""

import os
import signal
import sys
from pathlib import PurePath
from typing import Any

from tritext._cli.main import main


def die_before(name: str) -> None:
    """Let this process be killed at its moment."""

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and ".staging-" in (path := str(arguments[0])) and PurePath(path).name == name:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(look)


if __name__ == "__main__":
    die_before(sys.argv[1])
    raise SystemExit(main(sys.argv[2:]))
