"""``tritext endpoint watch``: the embedded Triton of one deployment, watched; what the CPU image runs."""

import argparse

from tritext_serve import settings
from tritext_serve.commands import serve
from tritext_serve.endpoint.verbs.shared import say
from tritext_serve.endpoint.watch.watcher import HEALTH_PORT, Post, watch
from tritext_serve.server import Server

HELP = "serve one deployment and watch it, as a container does: canaries, restarts, health and metrics"
EPILOG = """\
Takes the options of `tritext serve`. GET /health/NAME/0 on the health port is 200 while the deployment answers
its canary, else 503; /metrics is for Prometheus. SIGTERM and Ctrl-C stop it in order.

example:
  tritext endpoint watch model_repository --deployment blue
  curl http://127.0.0.1:8003/health/blue/0
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    serve.configure(parser)
    parser.epilog = EPILOG
    name = settings.deployment()
    parser.add_argument("--deployment", default=name, metavar="NAME", help="default: TRITEXT_DEPLOYMENT, or blue")
    parser.add_argument(
        "--health-port", type=serve.port, default=HEALTH_PORT, metavar="PORT",
        help=f"health and metrics, on the address of --host (default: {HEALTH_PORT})",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Serve until a signal comes.

    Raises:
        ServeError: it does not start.
    """
    server = Server(args.repository, serve.options(args))
    for doubt in server.doubts:
        say(f"not certified: {doubt}")
    return watch(server, Post(args.deployment, args.host, args.health_port))
