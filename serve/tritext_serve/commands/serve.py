"""``tritext serve``: a model repository in, a running Triton on this machine out, until Ctrl-C."""

import argparse
import os
import signal
import sys
from pathlib import Path
from types import FrameType

from rich.console import Console

from tritext_serve.errors import ServeError
from tritext_serve.flags import Address
from tritext_serve.server import Server, ServerOptions
from tritext_serve.tracing import Tracing
from tritext_serve.tuned import read_tuned

HELP = "serve a model repository with the embedded Triton, without Docker or a GPU"
ERRORS = (ServeError,)
EPILOG = """\
Listens on this machine alone unless --host says otherwise; put a proxy that checks keys and sizes
in front before you do (docs/serving.md). Ctrl-C or SIGTERM stops it and leaves nothing behind.

example:
  tritext serve model_repository
  tritext serve model_repository --http-port 9000 --instances sentiment_naive=1
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = EPILOG
    parser.add_argument("repository", nargs="?", type=Path, default=Path("model_repository"), metavar="REPOSITORY")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--http-port", type=port, default=8000, metavar="PORT", help="default: 8000")
    parser.add_argument("--grpc-port", type=port, default=8001, metavar="PORT", help="default: 8001")
    parser.add_argument("--metrics-port", type=port, default=8002, metavar="PORT", help="default: 8002")
    _configure_work(parser)
    parser.add_argument("--start-timeout", type=float, default=120.0, metavar="S", help="seconds (default: 120)")
    parser.add_argument(
        "--allow-uncertified",
        action="store_true",
        help="serve versions without a passing certificate, or with other files than those certified",
    )
    parser.add_argument("--verbose", action="store_true", help="show Triton's own log")
    _configure_tracing(parser)


def _configure_tracing(parser: argparse.ArgumentParser) -> None:
    """Declare where spans go."""
    parser.add_argument("--otlp", metavar="URL", help="send traces there, as http://HOST:4318 (default: no traces)")
    parser.add_argument(
        "--trace-rate",
        type=positive,
        default=100,
        metavar="N",
        help="with --otlp: trace one in N requests, beside each that brings a trace context (default: 100)",
    )


def _configure_work(parser: argparse.ArgumentParser) -> None:
    """Declare how much runs at once, and on what."""
    parser.add_argument(
        "--instances",
        type=instances,
        action="append",
        default=[],
        metavar="[MODEL=]N",
        help="processes of every model, or of one (default: one for 8 cores; one a core with --engine triton)",
    )
    parser.add_argument(
        "--threads", type=positive, metavar="N", help="threads of one process's engine (default: cores / instances)"
    )
    parser.add_argument(
        "--engine",
        choices=("in-process", "triton"),
        default="in-process",
        help="run the classifier in its front's process, or as a model of its own that clients can call too "
        "(default: in-process, which costs less)",
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="what computes (default: cpu)")
    parser.add_argument(
        "--max-queue",
        type=positive,
        metavar="N",
        help="requests that may wait for a model; more are refused at once (default: 10 a core, 20 at least)",
    )
    parser.add_argument(
        "--tuned",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="what `tritext tune` wrote for a model of this repository; given again, for another",
    )


def run(args: argparse.Namespace) -> int:
    """Serve until a signal comes."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    console = Console(stderr=True, highlight=False)
    server = Server(args.repository, options(args))
    for doubt in server.doubts:
        console.print(f"not certified: {doubt}", style="yellow", markup=False)
    try:
        with console.status("starting Triton …"):
            server.start()
        sys.stdout.write(announcement(server))
        sys.stdout.flush()
        server.wait()
    except KeyboardInterrupt:
        console.print("stopping …", style="dim")
    finally:
        server.stop()
    return 0


def options(args: argparse.Namespace) -> ServerOptions:
    """Read how to serve.

    Raises:
        TunedError: a file of tuned settings cannot be used.
        TracingError: a collector's address cannot be used.
    """
    return ServerOptions(
        address=Address(args.host, args.http_port, args.grpc_port, args.metrics_port),
        instances=dict(args.instances),
        threads=args.threads,
        engine=args.engine,
        device=args.device,
        max_queue=args.max_queue,
        tuned=tuple(map(read_tuned, args.tuned)),
        start_timeout=args.start_timeout,
        verbose=args.verbose,
        allow_uncertified=args.allow_uncertified,
        tracing=Tracing.to(args.otlp, args.trace_rate) if args.otlp else None,
    )


def announcement(server: Server) -> str:
    """Say what is served, where, and what to type next."""
    fronts = server.fronts
    names = ", ".join(f"{m.name} (version {', '.join(v.name for v in m.served_versions)})" for m in fronts)
    used = server.footprint()
    return (
        f"serving   {names}\n"
        f"http      {server.http_url}\n"
        f"grpc      {server.grpc_url}\n"
        f"metrics   {server.metrics_url}\n"
        f"memory    {used.rss_bytes / 1e6:.0f} MB in {used.processes} processes\n"
        f'try       tritext classify --url {server.grpc_url} --model {fronts[0].name} "What a lovely film."\n'
        f"stop      Ctrl-C, or kill {os.getpid()}\n"
    )


def _interrupt(signum: int, frame: FrameType | None) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # a second one must not leave half of the server standing
    raise KeyboardInterrupt


def port(text: str) -> int:
    """Read a port number."""
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 1 to 65535")
    return int(text)


def positive(text: str) -> int:
    """Read a number of 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)


def instances(text: str) -> tuple[str, int]:
    """Read ``N`` or ``MODEL=N``."""
    model, _, number = text.rpartition("=")
    return model, positive(number)
