"""`tritext score` as a process of its own, whether or not this tree is installed.

python -m tests.batch.command score INPUT OUTPUT
"""

import sys
from importlib.metadata import EntryPoint

from tritext._cli.main import GROUP, main

COMMAND = (sys.executable, "-m", "tests.batch.command", "score")
VERBS = (EntryPoint("score", "tritext_batch.commands.score", GROUP),)

if __name__ == "__main__":
    sys.exit(main(verbs=VERBS))
