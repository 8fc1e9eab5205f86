"""``tritext repository sync``: a local model repository follows the remote one, and an endpoint takes what is new."""

import argparse
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tritext_store.commands.transfer import Unseen
from tritext_store.errors import Denied, LocalError, StoreError
from tritext_store.filesystem import locate
from tritext_store.objects import Objects, open_objects, write_whole
from tritext_store.pull import Pulled, pull
from tritext_store.sync import Follower, metrics, pause

HELP = "follow a model repository in blob storage, and let the running endpoint take what is new"
ERRORS = (StoreError,)
EPILOG = """\
Runs until it is stopped. What goes wrong is said once, and again when the reason is another; the old state
stays meanwhile, and the next look comes later, in five minutes at most. With --then-apply, `tritext endpoint
apply --keep-traffic` starts Tritons on each new state beside the old ones, so that no request is lost; traffic
and mirror stay as they are, whatever these files say of them.

example:
  tritext repository sync az://models/sentiment model_repository --every 30s
  tritext repository sync az://models/sentiment model_repository --then-apply endpoint.yml blue.yml
"""
APPLY_SECONDS = 900
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = EPILOG
    parser.add_argument("uri", metavar="URI", help="where it is: az://…, https://…, s3://…, gs://…, file://… or a path")
    parser.add_argument("repository", type=Path, metavar="REPO", help="where it is to be on this machine")
    parser.add_argument("--every", type=duration, default=30.0, metavar="TIME", help="such as 30s or 5m (default: 30s)")
    parser.add_argument(
        "--then-apply", nargs="+", type=Path, metavar="FILE", help="files of the running endpoint, whose traffic stays"
    )
    parser.add_argument("--endpoint", metavar="NAME", help="which endpoint that is (default: the only one that runs)")
    parser.add_argument(
        "--metrics", type=Path, metavar="FILE", help="write Prometheus' text format there, ending in .prom"
    )


def duration(text: str) -> float:
    """Read a time such as 30s, 5m or 1h; a number alone is seconds."""
    unit = _UNITS.get(text[-1:], 0.0)
    number = text[:-1] if unit else text
    try:
        seconds = float(number) * (unit or 1.0)
    except ValueError:
        seconds = 0.0
    if not 0.1 <= seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"{text!r}: write a time such as 30s, 5m or 1h")
    return seconds


def run(args: argparse.Namespace) -> int:
    """Follow until SIGTERM or Ctrl-C.

    Raises:
        StoreError: the address cannot be understood, or its package is missing.
    """
    locate(args.uri)
    if missing := [path for path in args.then_apply or () if not path.is_file()]:
        raise LocalError(f"{missing[0]}: no such file: name the endpoint's files after --then-apply")
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    follower = Follower(
        Source(args.uri, args.repository).pull, _applier(args.then_apply, args.endpoint) if args.then_apply else None
    )
    unwritten = ""
    while not stopped.is_set():
        if said := follower.round(time.time()):
            sys.stdout.write("".join(f"{_now()} {args.repository}: {line}\n" for line in said.splitlines()))
            sys.stdout.flush()
        if args.metrics:
            unwritten = _write(args.metrics, metrics(follower), unwritten)
        stopped.wait(pause(args.every, follower.failures))
    return 0


def _write(path: Path, text: str, before: str) -> str:
    """Write the metrics; gives why they are not written, having said so unless it is as before."""
    try:
        write_whole(path, text.encode())
    except OSError as error:  # whoever watches sees that the figures stand still; the following goes on
        why = error.strerror or type(error).__name__
        if why != before:
            sys.stderr.write(f"{path}: {why}: the metrics are not written: mend that, or name another file\n")
        return why
    return ""


class Source:
    """The remote repository, through one client for as long as that has access."""

    def __init__(self, uri: str, repository: Path) -> None:
        """Open nothing yet.

        Args:
            uri: Where it is.
            repository: Where it is to be on this machine.
        """
        self._uri, self._repository = uri, repository
        self._objects: Objects | None = None

    def pull(self) -> Pulled:
        """Pull once.

        Raises:
            StoreError: the local repository stays what it was.
        """
        self._objects = self._objects or open_objects(self._uri)
        try:
            return pull(self._objects, self._repository, Unseen())
        except Denied:
            self._objects.close()
            self._objects = None  # the next one looks for credentials anew
            raise


def _applier(files: list[Path], endpoint: str | None) -> Callable[[], str]:
    """Run the endpoint's own verb; the two packages do not know each other."""
    command = [
        sys.executable,
        "-m",
        "tritext",
        "endpoint",
        "apply",
        "--keep-traffic",
        *(str(path.absolute()) for path in files),
    ]
    command += ["--endpoint", endpoint] if endpoint else []

    def apply() -> str:
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=APPLY_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            return f"`tritext endpoint apply` has not answered for {APPLY_SECONDS} s: see `tritext endpoint logs`"
        return "" if done.returncode == 0 else _last_line(done.stderr)

    return apply


def _last_line(text: str) -> str:
    return (text.strip() or "`tritext endpoint apply` failed and gave no reason").splitlines()[-1]


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
