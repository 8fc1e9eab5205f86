"""A process of Locust's: a folder with a plan and a part in it; requests, records and an exit code out.

The part is ``alone``, ``master`` (which sends nothing) or ``worker``. It ends by itself, on SIGTERM, with its parent.
"""

import argparse
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gevent
from locust.env import Environment
from locust.runners import STATE_CLEANUP, STATE_STOPPED, STATE_STOPPING
from locust.stats import stats_history

from tritext import Client
from tritext_loadtest.generator.sender import Sender
from tritext_loadtest.generator.visitor import Presence, Visitor
from tritext_loadtest.generator.walk import Walk
from tritext_loadtest.plan import Plan
from tritext_loadtest.records import Writer

LOOPBACK = "127.0.0.1"
# Where the server shares the cores, a late request would be this side's fault and look like the server's.
PRIORITY = -10
# The master waits so long for its workers to come.
WORKERS_SECONDS = 60.0


def main(words: Sequence[str]) -> int:
    """Take part in a run."""
    args = _parse(words)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    with contextlib.suppress(PermissionError):  # root may
        os.nice(PRIORITY)
    plan = Plan.read(args.folder)
    environment = _environment(plan, args)
    runner = _runner(environment, args)
    gevent.spawn(_follow_parent, os.getppid(), runner)
    gevent.signal_handler(signal.SIGTERM, runner.quit)
    if args.part == "master":
        return _direct(environment, runner, plan, args)
    return _send(environment, runner, plan, args)


def _parse(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tritext_loadtest.generator")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--part", choices=("alone", "master", "worker"), default="alone")
    parser.add_argument("--index", type=int, default=0)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--web", type=int, default=0)
    return parser.parse_args(words)


def _environment(plan: Plan, args: argparse.Namespace) -> Any:
    Visitor.plan = plan
    shape = None if args.part == "worker" else Presence(plan)
    stop = plan.timeout + 2
    return Environment(user_classes=[Visitor], shape_class=shape, stop_timeout=stop, host=", ".join(plan.urls))


def _runner(environment: Any, args: argparse.Namespace) -> Any:
    if args.part == "master":
        return environment.create_master_runner(LOOPBACK, args.port)
    if args.part == "worker":
        return environment.create_worker_runner(LOOPBACK, args.port)
    return environment.create_local_runner()


def _direct(environment: Any, runner: Any, plan: Plan, args: argparse.Namespace) -> int:
    """Be the master: wait for the workers, start them, and end with them."""
    _show(environment, runner, args)
    deadline = time.monotonic() + WORKERS_SECONDS
    while runner.worker_count < plan.processes:
        if time.monotonic() > deadline:
            sys.stderr.write(f"only {runner.worker_count} of {plan.processes} workers came\n")
            runner.quit()
            return 1
        gevent.sleep(0.1)
    _run(environment, runner)
    return 0


def _send(environment: Any, runner: Any, plan: Plan, args: argparse.Namespace) -> int:
    """Send requests, alone or as the master says."""
    writer = Writer(args.folder, args.index)
    clients = [
        Client(url, plan.model, timeout=plan.timeout, retries=0, max_batch_size=_largest(plan)) for url in plan.urls
    ]
    try:
        walk = Walk(plan, Sender(plan, clients, writer), args.index)
        Visitor.walk, Visitor.writer = walk, writer
        environment.events.test_stopping.add_listener(lambda **_: walk.stop())
        if args.part == "alone":
            _show(environment, runner, args)
            _run(environment, runner)
        else:
            runner.greenlet.join()
        writer.note("end", "end", cpu_seconds=time.process_time(), finished=walk.finished)
    finally:
        for client in clients:
            client.close()
        writer.close()
    return 0


def _run(environment: Any, runner: Any) -> None:
    runner.start_shape()
    while not (environment.shape_class.over() or runner.state in (STATE_CLEANUP, STATE_STOPPING, STATE_STOPPED)):
        gevent.sleep(0.1)
    runner.quit()
    runner.greenlet.join()
    if environment.web_ui:
        environment.web_ui.stop()


def _show(environment: Any, runner: Any, args: argparse.Namespace) -> None:
    if args.web:
        environment.create_web_ui(LOOPBACK, args.web)
        gevent.spawn(stats_history, runner)


def _largest(plan: Plan) -> int:
    return max(count for count, _ in plan.draw.batches)


def _follow_parent(parent: int, runner: Any) -> None:
    while os.getppid() == parent:
        gevent.sleep(1)
    runner.quit()
