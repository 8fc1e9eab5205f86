"""``tritext repository push``: a model repository goes to blob storage."""

import argparse
import sys
from pathlib import Path

from tritext_store.commands.transfer import shown
from tritext_store.errors import StoreError
from tritext_store.objects import open_objects
from tritext_store.push import push

HELP = "put a model repository into blob storage; whoever pulls it gets all of it or none"
ERRORS = (StoreError,)
EPILOG = """\
Only what is not there yet is uploaded. Killed at any point, the repository that is there stays; the same
command goes on. Of two pushes at once one is refused.

The identity is the machine's (workload or managed identity, service principal, `az login`), or a SAS from
the file that TRITEXT_SAS_FILE names.

example:
  tritext repository push model_repository az://models/sentiment
  tritext repository push model_repository https://ACCOUNT.blob.core.windows.net/models/sentiment
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = EPILOG
    parser.add_argument("repository", type=Path, metavar="REPO", help="the local model repository")
    parser.add_argument(
        "uri", metavar="URI", help="where it goes: az://…, https://…, s3://…, gs://…, file://… or a path"
    )
    parser.add_argument(
        "--again", action="store_true", help="upload what is there already, too, and replace a damaged index"
    )


def run(args: argparse.Namespace) -> int:
    """Push once.

    Raises:
        StoreError: the remote repository stays what it was.
    """
    with shown() as progress:
        done = push(args.repository, open_objects(args.uri), progress, again=args.again)
    fate = "is now" if done.changed else "was already"
    sys.stdout.write(
        f"{args.uri} {fate} {done.generation[:12]}: {done.files} files, {done.bytes / 1e6:.1f} MB, "
        f"{done.uploaded / 1e6:.1f} MB uploaded\n"
    )
    if done.note:
        sys.stderr.write(f"{done.note}\n")
    return 0
