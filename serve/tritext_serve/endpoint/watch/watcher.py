"""A Triton in, the same Triton watched out: canaries, restarts, health and metrics, until it is told to stop."""

import logging
import re
import signal
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tritext_serve import processes
from tritext_serve.endpoint.supervisor.health import NAME, Health, HealthServer
from tritext_serve.endpoint.supervisor.instance import Instance, Shop
from tritext_serve.endpoint.supervisor.limits import Group
from tritext_serve.endpoint.supervisor.metrics import Metrics, Standing
from tritext_serve.endpoint.supervisor.state import Phase, Reason, State
from tritext_serve.endpoint.targets import expected_shares
from tritext_serve.endpoint.watch.orphans import Orphans
from tritext_serve.errors import EndpointError, PortError, StartError
from tritext_serve.server import Server

HEALTH_PORT = 8003
LOOK_SECONDS = 0.5
# `docker stop` kills after ten seconds: the ingress asks every second, so that it knows before Triton goes, and Triton
# gives requests five to end.
LEAVE_SECONDS, GENTLE_SECONDS = 1.5, 6.5
# Why one may fail that has not served yet.
_STILLBORN = (Reason.START, Reason.WRONG_ANSWER)
_LEAVING = Health(False, "stopping", "was told to stop")
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Post:
    """Where a watcher stands.

    Attributes:
        deployment: The deployment's name, as metrics and ``/health/NAME/0`` say it.
        host: Where health and metrics are served.
        port: Likewise.
        leave_seconds: How long it says that it leaves before it stops its Triton.
    """

    deployment: str
    host: str = "127.0.0.1"
    port: int = HEALTH_PORT
    leave_seconds: float = LEAVE_SECONDS


class Watcher:
    """Owns one Triton."""

    def __init__(self, server: Server, post: Post) -> None:
        """Listen at once; Triton is started by ``run``.

        Args:
            server: The Triton, stopped.
            post: Where to say how it is.

        Raises:
            EndpointError: nobody could ask for a deployment of that name.
            PortError: the address cannot be listened on.
        """
        if not re.fullmatch(NAME, post.deployment):
            raise EndpointError(f"--deployment {post.deployment!r}: use letters, digits and dashes")
        self._post, self._leaving = post, False
        self._expected = _expected(server, post.deployment)
        self.metrics = Metrics(self._standing)
        self.metrics.registry.unregister(self.metrics.applied)  # there is no edge here that could be told
        self.metrics.expect(post.deployment)
        self._shop = Shop(ThreadPoolExecutor(1, thread_name_prefix="spawner"), self.metrics, GENTLE_SECONDS)
        self._instance = Instance(post.deployment, 0, server, Group(), self._shop)
        self._orphans = Orphans()
        try:
            self._health = HealthServer(self._look, self.metrics.text, post.host, post.port)
        except OSError as error:
            raise PortError(f"{post.host}:{post.port}: {error.strerror}: choose another with --health-port") from error

    @property
    def health(self) -> tuple[str, int]:
        """Address and port of health and metrics."""
        return self._health.host, self._health.port

    @property
    def instance(self) -> Instance:
        """The Triton and its state."""
        return self._instance

    def run(self, stopping: threading.Event) -> None:
        """Keep the Triton serving until it is to stop, then stop it in order; it is not run again.

        Args:
            stopping: Is set when it is to stop.

        Raises:
            StartError: it has never come up: that is for whoever starts containers to see, and to try again.
        """
        self._instance.start()
        served = False
        try:
            while not stopping.wait(LOOK_SECONDS):
                self._orphans.look()
                state = self._instance.state
                served = served or has_served(state)
                if state.restarts and not served:
                    raise StartError(state.detail)
            self._leave()
        finally:
            self.close()

    def close(self) -> None:
        """Stop the Triton and listen no more."""
        self._instance.stop()
        self._shop.spawner.shutdown()
        self._health.close()

    def _leave(self) -> None:
        """Say so, and give whoever asks the time to hear it."""
        self._leaving = True
        _LOG.info("%s is told to stop", self._post.deployment)
        if self._instance.state.phase is Phase.SERVING:
            time.sleep(self._post.leave_seconds)

    def _look(self, deployment: str, number: int) -> Health | None:
        if (deployment, number) != (self._post.deployment, self._instance.number):
            return None
        state = self._instance.state
        if self._leaving:
            return _LEAVING
        return Health(state.well, state.phase, "" if state.well else f"{state.reason}: {state.detail}")

    def _standing(self) -> Standing:
        name, instance = self._post.deployment, self._instance
        return Standing(
            phases={(name, instance.number): instance.state.phase},
            well={name: int(instance.state.well and not self._leaving)},
            expected=self._expected,
            memory_bytes={name: instance.memory_bytes},
            keys=None,
        )


def has_served(state: State) -> bool:
    """Whether a Triton serves, or has failed as only one does that served, if between two looks. Pure."""
    return state.phase is Phase.SERVING or (state.restarts > 0 and state.reason not in _STILLBORN)


def watch(server: Server, post: Post) -> int:
    """Watch until SIGTERM or Ctrl-C; what a container's process 1 does.

    Returns:
        The exit status.

    Raises:
        ServeError: it cannot listen, or the Triton has never come up.
    """
    watcher, stopping = Watcher(server, post), threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):  # without a handler, process 1 would not even hear them
        signal.signal(number, lambda signum, frame: stopping.set())
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    processes.adopt_orphans()
    _LOG.info("starting %s; health and metrics on %s port %d", post.deployment, *watcher.health)
    watcher.run(stopping)
    _LOG.info("%s has stopped", post.deployment)
    return 0


def _expected(server: Server, deployment: str) -> Mapping[tuple[str, str, str], float]:
    """Read the newest version's certificate of each front."""
    return {
        (deployment, front.name, label): share
        for front in server.fronts
        for label, share in expected_shares(front.served_versions[-1]).items()
    }
