"""`tritext repository push`, `pull` and `sync` as processes of their own, whether or not this tree is installed.

python -m tests.store.command repository push REPO URI
"""

import os
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint

from tritext._cli.main import GROUP, main

VERBS = [
    EntryPoint(f"repository.{action}", f"tritext_store.commands.{action}", GROUP) for action in ("push", "pull", "sync")
]


def run(words: Sequence[str], environment: Mapping[str, str]) -> None:
    """Be the command, in a process that has been forked for it."""
    os.environ |= environment
    sys.exit(main(words, verbs=VERBS))


if __name__ == "__main__":
    sys.exit(main(verbs=VERBS))
