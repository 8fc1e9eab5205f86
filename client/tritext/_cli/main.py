"""The ``tritext`` command: Ctrl-C is heard first, then everything else is imported."""

import sys

from tritext._cli.interruption import INTERRUPTED, postponed

TYPE_CHECKING = False  # type checkers take it for true; `typing` and all that is large come later
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from importlib.metadata import EntryPoint

GROUP = "tritext.verbs"


def main(argv: "Sequence[str] | None" = None, *, verbs: "Iterable[EntryPoint] | None" = None) -> int:
    """Run one verb.

    Args:
        argv: The words after ``tritext``; None for those of this process.
        verbs: The verbs to choose from; None for those that are installed.

    Returns:
        The exit code.
    """
    try:
        with postponed():
            from tritext._cli.dispatch import dispatch
        return dispatch(sys.argv[1:] if argv is None else list(argv), GROUP if verbs is None else verbs)
    except KeyboardInterrupt:
        sys.stderr.write("tritext: interrupted\n")
        return INTERRUPTED
