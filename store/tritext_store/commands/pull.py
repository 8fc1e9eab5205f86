"""``tritext repository pull``: a model repository comes from blob storage."""

import argparse
import sys
from pathlib import Path

from tritext_store.commands.transfer import shown
from tritext_store.errors import StoreError
from tritext_store.objects import open_objects
from tritext_store.pull import pull

HELP = "fetch a model repository from blob storage; all of it or none takes the place of the old one"
ERRORS = (StoreError,)
EPILOG = """\
Every file's size and hash are checked, and nothing but data is taken. REPO becomes a link to what was
fetched, which lies in .REPO.pulled beside it; the state before it stays for servers that still read it.
Stopped at any point, the old state stays, and the same command goes on. Status 1 if anything fails.

example:
  tritext repository pull az://models/sentiment model_repository
  tritext repository verify --repository model_repository
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = EPILOG
    parser.add_argument("uri", metavar="URI", help="where it is: az://…, https://…, s3://…, gs://…, file://… or a path")
    parser.add_argument("repository", type=Path, metavar="REPO", help="where it is to be on this machine")


def run(args: argparse.Namespace) -> int:
    """Pull once.

    Raises:
        StoreError: the local repository stays what it was.
    """
    with shown() as progress:
        done = pull(open_objects(args.uri), args.repository, progress)
    fate = "is now" if done.changed else "was already"
    sys.stdout.write(
        f"{args.repository} {fate} {done.generation[:12]}: {done.files} files, {done.bytes / 1e6:.1f} MB, "
        f"{done.fetched / 1e6:.1f} MB fetched\n"
    )
    return 0
