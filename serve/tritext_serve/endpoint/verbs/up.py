"""``tritext endpoint up``: an endpoint's files in, a running endpoint on this machine out, until Ctrl-C."""

import argparse
import logging
import re
import shlex
import signal
import sys
import threading
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from tritext_serve import processes
from tritext_serve.commands.serve import instances, positive
from tritext_serve.endpoint import rundir
from tritext_serve.endpoint.control import ControlServer
from tritext_serve.endpoint.edge.model import Limits, Listener
from tritext_serve.endpoint.edge.model import Tracing as EdgeTracing
from tritext_serve.endpoint.files.load import load
from tritext_serve.endpoint.isolation.asked import refuse_unwalled
from tritext_serve.endpoint.isolation.enclosure import Enclosure
from tritext_serve.endpoint.isolation.namespaces import sweep_dead
from tritext_serve.endpoint.isolation.walls import Walls
from tritext_serve.endpoint.model import Endpoint
from tritext_serve.endpoint.rundir import RunDirectory
from tritext_serve.endpoint.supervisor.handlers import Handlers
from tritext_serve.endpoint.supervisor.plan import Plan
from tritext_serve.endpoint.supervisor.supervisor import Supervisor
from tritext_serve.endpoint.verbs import listening
from tritext_serve.endpoint.verbs.shared import own_command, say
from tritext_serve.errors import IsolationError, StartError
from tritext_serve.server import ServerOptions
from tritext_serve.tracing import Tracing

HELP = "start an endpoint and stay with it"
EPILOG = """\
example:
  tritext endpoint up endpoint.yml blue.yml green.yml
  tritext endpoint up endpoint.yml blue.yml --listen 127.0.0.1:9000 --keys ~/.config/tritext/keys.json
  tritext endpoint up endpoint.yml blue.yml network.yml --isolate
"""
# Of the machine's memory, where --memory says nothing: two deployments leave a fifth to everybody else.
MEMORY_SHARE = 0.4
LOOK_SECONDS = 0.2
OTLP_GRPC_PORT = 4317
_SIZE = re.compile(r"(\d+(?:\.\d+)?)([KMGT]?)(?:i?B)?", re.IGNORECASE)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = EPILOG
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="endpoint, deployments, network")
    listening.configure(parser)
    parser.add_argument("--keys", type=Path, metavar="FILE", help="where the keys lie and stay (default: made anew)")
    parser.add_argument(
        "--otlp", metavar="URL", help=f"send traces there, http://HOST:4318; the edge to its port {OTLP_GRPC_PORT}"
    )
    parser.add_argument(
        "--rate-limit", type=positive, metavar="N", help="requests a second that a key may ask for (default: no limit)"
    )
    parser.add_argument(
        "--isolate", action="store_true",
        help="put each deployment in a network of its own, as the files say; needs root",
    )  # fmt: skip
    _configure_work(parser)


def _configure_work(parser: argparse.ArgumentParser) -> None:
    """Declare what each Triton may take."""
    parser.add_argument(
        "--instances", type=instances, action="append", default=[], metavar="[MODEL=]N",
        help="processes of every model, or of one, in each Triton",
    )  # fmt: skip
    parser.add_argument("--threads", type=positive, metavar="N", help="threads of one process's engine")
    parser.add_argument(
        "--memory", type=_size, metavar="SIZE",
        help=f"what one deployment may take, such as 2G (default: {MEMORY_SHARE:.0%}% of the machine)",
    )  # fmt: skip
    parser.add_argument("--no-control-groups", action="store_true", help="hold no deployment in limits")
    parser.add_argument("--start-timeout", type=float, default=120.0, metavar="S", help="seconds (default: 120)")
    parser.add_argument("--allow-uncertified", action="store_true", help="serve versions without a passing certificate")


def run(args: argparse.Namespace) -> int:
    """Serve until a signal comes, or `tritext endpoint down`.

    Raises:
        ServeError: it does not start; nothing is left then.
    """
    loaded = load(args.files)
    for note in loaded.notes:
        say(note)
    _check_walls(args, loaded.endpoint)
    listeners = listening.listeners(args, loaded.endpoint)
    directory, lock = rundir.claim(loaded.endpoint.name)
    try:
        listening.check(listeners)
        return _serve(_plan(args, loaded.endpoint, listeners, directory), directory, isolated=args.isolate)
    except OSError as error:
        if error.errno not in rundir.FULL:
            raise
        raise rundir.no_room(directory, error) from error
    finally:
        rundir.release(directory, lock)


def _serve(plan: Plan, directory: RunDirectory, *, isolated: bool) -> int:
    processes.adopt_orphans()
    _log_to(directory.logs / "supervisor.log")
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda signum, frame: stopping.set())
    with ExitStack() as stack:
        enclosure = Enclosure(plan.endpoint, directory) if isolated else None
        sweep_dead()
        if enclosure is not None:
            say("building the walls …")
            plan = _within(plan, stack.enter_context(enclosure))
        return _supervise(plan, directory, stopping, enclosure)


def _within(plan: Plan, walls: Walls) -> Plan:
    """Let clients connect in this machine's own network, although the edge is not there."""
    return replace(plan, walls=walls, listeners=tuple(replace(each, namespace=walls.outer) for each in plan.listeners))


def _supervise(plan: Plan, directory: RunDirectory, stopping: threading.Event, enclosure: Enclosure | None) -> int:
    supervisor = Supervisor(plan, directory, stopping)
    try:
        supervisor.start(say)
        control = ControlServer(directory.control, Handlers(supervisor))
        try:
            sys.stdout.write(announcement(supervisor.snapshot(), plan.keys_file, directory.header, own_command()))
            sys.stdout.flush()
            while not stopping.wait(LOOK_SECONDS):
                supervisor.watch_edge()
                if enclosure is not None:
                    enclosure.watch()
        finally:
            control.close()
        say("stopping …")
    except StartError:
        if not stopping.is_set():
            raise
    finally:
        supervisor.stop()
    return 0


def announcement(state: dict[str, Any], keys_file: Path, header: Path, command: str) -> str:
    """Say what is served, where, and what to type next.

    Args:
        state: A supervisor's snapshot.
        keys_file: Where the keys lie.
        header: Where the header lies that clients send.
        command: How `tritext` is called.
    """
    name, url = state["name"], state["urls"][0]
    rows = [("endpoint", name), *(("url", each) for each in state["urls"])]
    for each in state["deployments"]:
        models = ", ".join(f"{model} (version {', '.join(v)})" for model, v in each["models"].items())
        memory = sum(instance["memory_bytes"] for instance in each["instances"])
        rows.append((each["name"], f"{each['traffic']:3d} %   {models}, {memory / 1e6:.0f} MB"))
    curl = "curl --insecure" if url.startswith("https:") else "curl"
    request = """-H "Content-Type: application/json" -d '{"text": "What a lovely film."}'"""
    if walls := state.get("namespaces"):
        rows.append(("isolated", f"in the namespaces {walls}-…; metrics: ip netns exec {walls}-monitor …"))
    rows += [
        ("keys", str(keys_file)),
        ("try", f"{curl} {url}/predict -H @{shlex.quote(str(header))} {request}"),
        ("stop", f"Ctrl-C, or kill {state['pid']}, or {command} endpoint down"),
    ]
    width = max(len(label) for label, _ in rows) + 2
    return "".join(f"{label:<{width}}{words}\n" for label, words in rows)


def _plan(
    args: argparse.Namespace, endpoint: Endpoint, listeners: tuple[Listener, ...], directory: RunDirectory
) -> Plan:
    traces = Tracing.to(args.otlp) if args.otlp else None
    return Plan(
        endpoint,
        listeners,
        args.keys.absolute() if args.keys else directory.keys,
        ServerOptions(
            instances=dict(args.instances),
            threads=args.threads,
            start_timeout=args.start_timeout,
            allow_uncertified=args.allow_uncertified,
            tracing=traces,
        ),
        limits=Limits(requests_per_second=args.rate_limit),
        tracing=EdgeTracing(traces.host, OTLP_GRPC_PORT) if traces else None,
        memory_bytes=args.memory or int(processes.machine_memory() * MEMORY_SHARE),
        isolate=not args.no_control_groups,
    )


def _check_walls(args: argparse.Namespace, endpoint: Endpoint) -> None:
    """Refuse files that ask for walls where there are none, and traces that could not pass them.

    Raises:
        IsolationError: naming the field, or the option.
    """
    if not args.isolate:
        refuse_unwalled(endpoint)
    elif args.otlp:
        raise IsolationError(f"--otlp {args.otlp}: with --isolate no Triton reaches a collector: leave one of them out")


def _log_to(path: Path) -> None:
    """Let what the supervisor has to say go to a file and to the user."""
    logger = logging.getLogger("tritext_serve")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    for handler in (logging.FileHandler(path, encoding="utf-8"), logging.StreamHandler(sys.stderr)):
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        logger.addHandler(handler)


def _size(text: str) -> int:
    """Read a size such as ``2G``, in bytes."""
    found = _SIZE.fullmatch(text)
    size = int(float(found[1]) * 1024 ** " KMGT".index(found[2].upper() or " ")) if found is not None else 0
    if size < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size, such as 2G or 800M")
    return size
