"""The walls of an endpoint as they stand: namespaces, this process in ``monitor``, the egress at work. Root alone.

::

    sweep what killed ones left ─► build ─► enter `monitor` ─► egress ─► … ─► egress ends ─► leave ─► take down
"""

import ctypes
import logging
import os
import shutil
import time
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType

from tritext_serve.endpoint import egress
from tritext_serve.endpoint.edge.files import replace as write_file
from tritext_serve.endpoint.edge.process import Envoy, EnvoyOptions
from tritext_serve.endpoint.edge.render import BOOTSTRAP
from tritext_serve.endpoint.isolation import namespaces
from tritext_serve.endpoint.isolation.namespaces import own_prefix
from tritext_serve.endpoint.isolation.plan import NAMED
from tritext_serve.endpoint.isolation.walls import Walls, wall_off
from tritext_serve.endpoint.model import Endpoint
from tritext_serve.endpoint.rundir import RunDirectory
from tritext_serve.endpoint.supervisor.state import back_off
from tritext_serve.errors import IsolationError, ServeError

OWN_NETWORK = "/proc/self/ns/net"
_CLONE_NEWNET = 0x40000000
_LOG = logging.getLogger(__name__)


class Enclosure:
    """The walls around one endpoint, from ``with`` to its end. Threads started meanwhile are in ``monitor``."""

    def __init__(self, endpoint: Endpoint, run: RunDirectory) -> None:
        """Plan them.

        Raises:
            IsolationError: a rule means nothing here.
        """
        self._run = run
        self._planned = wall_off(endpoint, own_prefix(endpoint.name))
        self._stack = ExitStack()
        self._egress: Envoy | None = None
        self._failures, self._due = 0, 0.0

    def __enter__(self) -> Walls:
        """Build them.

        Raises:
            IsolationError: this user or machine may not; it says what is missing.
            StartError: the egress does not start.
        """
        with ExitStack() as stack:
            programs = _programs()
            here = tuple(f"{address}/32" for address in namespaces.addresses())
            stack.enter_context(namespaces.Network(self._planned.plan))
            outer = os.open(OWN_NETWORK, os.O_RDONLY | os.O_CLOEXEC)
            stack.callback(os.close, outer)
            walls = replace(self._planned, outer=f"/proc/{os.getpid()}/fd/{outer}", programs=programs)
            stack.callback(enter, outer)
            _enter_named(walls.plan.kernel_name("monitor"))
            if walls.egress.doorways:
                stack.enter_context(self._start_egress(walls, here))
            self._stack = stack.pop_all()
        return walls

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take them down, with whatever still runs inside."""
        self._stack.close()

    def watch(self) -> None:
        """Start the egress again where it has died; call it now and then. Its log is bounded with the others."""
        if self._egress is None:
            return
        try:
            self._revive(self._egress)
        except (ServeError, OSError) as error:  # labels are given without it; the next look tries again
            _LOG.error("the egress is not looked after: %s", error)

    def _revive(self, proxy: Envoy) -> None:
        """Start it if it has died; after a start that failed, only when its back-off is over."""
        if proxy.running or time.monotonic() < self._due:
            return
        _LOG.error("the egress has died: it is started again")
        self._failures += 1
        self._due = time.monotonic() + back_off(self._failures)
        proxy.stop(drain=False)
        proxy.start()
        self._failures, self._due = 0, 0.0

    def _start_egress(self, walls: Walls, here: tuple[str, ...]) -> Envoy:
        """Start it with this machine's own addresses among those to which it passes nothing on."""
        folder = self._run.path / "egress"
        folder.mkdir(mode=0o700)
        told = replace(
            walls.egress, log_path=str(self._run.logs / "egress-access.log"), nowhere=(*walls.egress.nowhere, *here)
        )
        (text,) = egress.render(told).values()
        write_file(folder / BOOTSTRAP, text)
        self._egress = Envoy(folder, EnvoyOptions(enter=walls.leave), self._run.logs / "egress.log")
        return self._egress


def _programs() -> dict[str, str]:
    """Find what starts commands in other networks.

    Raises:
        IsolationError: naming what is missing.
    """
    namespaces.require()
    found = {name: shutil.which(name) for name in ("ip", "nsenter")}
    if found["nsenter"] is None:
        raise IsolationError("no isolation here: there is no nsenter: install the package util-linux")
    return {name: path for name, path in found.items() if path is not None}


def _enter_named(name: str) -> None:
    descriptor = os.open(NAMED / name, os.O_RDONLY | os.O_CLOEXEC)
    try:
        enter(descriptor)
    finally:
        os.close(descriptor)


def enter(network: int) -> None:
    """Move this thread, and those that it will start, to another network; Python has this from 3.12 on."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.setns(network, _CLONE_NEWNET):
        why = os.strerror(ctypes.get_errno())
        raise IsolationError(f"no isolation here: setns: {why}: allow CAP_SYS_ADMIN")
