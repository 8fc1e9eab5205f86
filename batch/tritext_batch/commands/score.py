"""``tritext score``: a file or blob of texts in, the same rows with label, score and model version out."""

import argparse
import json
import signal
import sys
from pathlib import Path

from rich.console import Console

from tritext_batch.commands.arguments import configure, job_of
from tritext_batch.errors import BatchError, JobFileError
from tritext_batch.progress import Watch
from tritext_batch.running import carry_out
from tritext_batch.summary import Summary
from tritext_batch.workspace import written
from tritext_store.errors import StoreError
from tritext_store.objects import write_whole

HELP = "score a file or a blob of texts: the same rows with label, score and model version out"
ERRORS = (BatchError, StoreError)
WRONG_USAGE, INTERRUPTED = 2, 130

__all__ = ["ERRORS", "HELP", "configure", "run"]


def run(args: argparse.Namespace) -> int:
    """Score, and say what came of it."""
    try:
        job = job_of(args)
    except JobFileError as error:
        print(f"tritext score: {error}", file=sys.stderr)  # noqa: T201 - as the command tells others
        return WRONG_USAGE
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # it ends as after Ctrl-C: committed and told
    console = Console(stderr=True, highlight=False)
    try:
        with Watch(console) as watch:
            summary = carry_out(job, watch, overwrite=args.overwrite)
    except KeyboardInterrupt:
        console.print("stopped: the same command goes on from here", markup=False)
        return INTERRUPTED
    finally:
        signal.signal(signal.SIGTERM, before)
    _tell(summary, args.summary)
    return 0


def _tell(summary: Summary, path: Path | None) -> None:
    for heading, words in summary.lines():
        print(f"{heading:<10}{words}")  # noqa: T201 - the verb's output
    if path is not None:
        with written(path, "the summary is not there, the output is"):
            content = json.dumps(summary.as_json(), ensure_ascii=False, indent=2) + "\n"
            write_whole(path, content.encode(errors="backslashreplace"))  # which JSON reads back
