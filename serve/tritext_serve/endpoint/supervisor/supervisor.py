"""One endpoint on this machine: its files in, Tritons and an edge that answer out, for as long as it is wanted.

::

    apply ─► crews (Tritons by deployment) ─► wait until all serve ─► edge ─► former crews drained and stopped
    split, rekey ────────────────────────────────────────────────────► edge

The endpoint as it was told last and Envoy's files are always the same: a change that Envoy refuses is undone.
"""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count
from typing import Any

from tritext_serve.endpoint import keys
from tritext_serve.endpoint.control import Say
from tritext_serve.endpoint.edge import files
from tritext_serve.endpoint.edge.model import Edge
from tritext_serve.endpoint.edge.process import EnvoyOptions
from tritext_serve.endpoint.model import Endpoint
from tritext_serve.endpoint.rundir import RunDirectory
from tritext_serve.endpoint.supervisor import changes, limits, view
from tritext_serve.endpoint.supervisor.crew import Crew, Site, gather, must_change
from tritext_serve.endpoint.supervisor.doorway import Doorway
from tritext_serve.endpoint.supervisor.health import Health, HealthServer
from tritext_serve.endpoint.supervisor.instance import Instance, Shop
from tritext_serve.endpoint.supervisor.metrics import Metrics
from tritext_serve.endpoint.supervisor.plan import Plan
from tritext_serve.endpoint.targets import TARGETS_FILE
from tritext_serve.endpoint.verdict.comparison import Comparison
from tritext_serve.errors import EndpointError, ServeError
from tritext_serve.ports import steady_ports
from tritext_serve.server import ServerOptions

ADMIN_SOCKET = EnvoyOptions().admin_socket
_LOG = logging.getLogger(__name__)


class Supervisor:
    """Owns the processes of one endpoint."""

    def __init__(self, plan: Plan, run: RunDirectory, stopping: threading.Event) -> None:
        """Nothing is started yet but the server of health and metrics.

        Args:
            plan: How the endpoint is to run.
            run: Its claimed run directory.
            stopping: Is set when it is to stop.
        """
        self.run, self._plan = run, plan
        self.endpoint = replace(plan.endpoint, deployments={}, traffic={}, mirror_traffic={})
        self.keys = keys.read_or_make(plan.keys_file)
        self.crews: dict[str, Crew] = {}
        self.revision = 0  # counts the changes, each when all can see it
        self.metrics = Metrics(lambda: view.standing(self))
        self.comparison = Comparison(run.path / "witness", run.envoy / ADMIN_SOCKET)
        self.metrics.registry.register(self.comparison)
        self.began = time.time()
        self.stopping = stopping
        self._shop = Shop(ThreadPoolExecutor(1, thread_name_prefix="spawner"), self.metrics)
        self._numbers: dict[str, count[int]] = defaultdict(count)
        # Whom the edge may ask after: during a change the old instances and the new ones.
        self._instances: dict[tuple[str, int], Instance] = {}
        self._changing = threading.Lock()
        walls = plan.walls
        self.stats = walls.stats if walls else ("127.0.0.1", steady_ports(1)[0])
        self._health = HealthServer(self._look, self.metrics.text, *(walls.health if walls else ()))
        self._door = Doorway(run.envoy, run.logs, self._shop.spawner, walls.enter("ingress") if walls else ())
        self._site = Site(
            plan.endpoint.name,
            run.logs,
            plan.options,
            plan.memory_bytes,
            self._health.host,
            self._health.port,
            plan.isolate,
            walls,
        )

    @property
    def plan(self) -> Plan:
        """How it was told to run."""
        return self._plan

    @property
    def health(self) -> tuple[str, int]:
        """Address and port of health and metrics."""
        return self._health.host, self._health.port

    def start(self, say: Say) -> None:
        """Start every deployment, then the edge.

        Raises:
            ServeError: something did not start; `stop` must follow.
        """
        limits.sweep()
        self.apply(self._plan.endpoint, say)

    def apply(self, endpoint: Endpoint, say: Say, *, keep_traffic: bool = False) -> Mapping[str, list[str]]:
        """Become another endpoint without losing a request: new Tritons first, then the edge, then the old ones.

        Args:
            endpoint: What it is to be; its name must be the same.
            say: Is told how far it is.
            keep_traffic: Whether traffic and mirror stay as they are, whatever it says of them.

        Returns:
            Names of the deployments that were started, kept and stopped.

        Raises:
            EndpointError: it is another endpoint, or lacks who is to keep a share, or the edge refuses it; all
                stays as it was.
            StartError: a deployment did not start; all stays as it was.
            RepositoryError: a deployment's repository cannot be served; likewise.
        """
        if endpoint.name != self.endpoint.name:
            raise EndpointError(f"this is endpoint {self.endpoint.name!r}, and the files are of {endpoint.name!r}")
        with self._changing:
            endpoint = changes.keep_split(self.endpoint, endpoint) if keep_traffic else endpoint
            kept = {n: c for n, c in self.crews.items() if not self._goes(c, endpoint)}
            fresh = self._start_crews(endpoint, kept, say)
            former, crews = self.crews, self._in_order(endpoint, kept | fresh)
            try:
                self._tell(endpoint, crews)
            except BaseException:
                self._stop_crews(fresh.values())
                raise
            gone = [crew for crew in former.values() if crew not in crews.values()]
            for name in kept:
                self.crews[name].deployment = endpoint.deployments[name]
            self._let_go(gone, say)
        return {
            "started": list(fresh),
            "kept": list(kept),
            "stopped": [name for name in former if name not in endpoint.deployments],
        }

    def split(
        self,
        traffic: changes.Shares | None = None,
        mirror: changes.Shares | None = None,
        *,
        force: bool = False,
        seen: int | None = None,
    ) -> None:
        """Split traffic and mirror otherwise, both at once; None leaves either as it is.

        Args:
            traffic: Per cent by deployment.
            mirror: Likewise; empty for none.
            force: Whether a deployment that is ill may get some of the traffic.
            seen: The revision that this was decided on; None where it does not matter.

        Raises:
            EndpointError: it may not be split so, or a deployment that is to get some is ill, or there is another
                revision; all stays as it was.
        """
        with self._changing:
            changes.check_seen(self.revision, seen)
            endpoint = changes.split(self.endpoint, traffic, mirror)
            ill = [name for name, share in (traffic or {}).items() if share and not self.crews[name].well]
            if ill and not force:
                raise EndpointError(
                    f"{', '.join(ill)}: no instance is well: see `tritext endpoint show`, or insist with --force"
                )
            self._tell(endpoint, self.crews)

    def rekey(self, new: keys.Keys) -> None:
        """Accept these keys and no others; for `keys.handle`.

        Raises:
            EndpointError: the edge refuses; the old keys stay.
        """
        with self._changing:
            former, self.keys = self.keys, new
            try:
                self._tell(self.endpoint, self.crews)
            except BaseException:
                self.keys = former
                raise

    def stop(self) -> None:
        """Let the edge finish what it has, then stop everything; safe to call twice."""
        self.stopping.set()
        with self._changing:
            self._door.stop()
            self._stop_crews(self.crews.values())
            self.crews = {}
        self.comparison.close()
        self._shop.spawner.shutdown()
        self._health.close()

    def snapshot(self) -> dict[str, Any]:
        """Say how everything stands, for `show`."""
        return view.snapshot(self)

    def watch_edge(self) -> None:
        """Start Envoy again where it has died; call it now and then."""
        if self.stopping.is_set() or not self._changing.acquire(blocking=False):
            return
        try:
            if died := self._door.revive():
                _LOG.error("%s: it is started again", died)
            self._door.bound_logs()
        except (ServeError, OSError) as error:  # the Tritons must outlive it; the next look tries again
            _LOG.error("the edge is not looked after: %s", error)
        finally:
            self._changing.release()

    def _goes(self, crew: Crew, endpoint: Endpoint) -> bool:
        deployment = endpoint.deployments.get(crew.deployment.name)
        return deployment is None or must_change(crew, deployment)

    def _start_crews(self, endpoint: Endpoint, kept: Mapping[str, Crew], say: Say) -> dict[str, Crew]:
        fresh: dict[str, Crew] = {}
        try:
            for name, deployment in endpoint.deployments.items():
                if name not in kept:
                    say(f"starting {name} …")
                    site = replace(self._site, options=self._witnessed(name))
                    fresh[name] = gather(deployment, site, self._shop, self._numbers[name])
                    self.metrics.expect(name)
                    self._instances |= {(name, each.number): each for each in fresh[name].instances}
                    fresh[name].start()
            for crew in fresh.values():
                crew.wait_until_well(self.stopping)
        except BaseException:
            self._stop_crews(fresh.values())
            raise
        return fresh

    def _witnessed(self, deployment: str) -> ServerOptions:
        return replace(self._plan.options, witness=self.comparison.ticket(deployment))

    def _tell(self, endpoint: Endpoint, crews: Mapping[str, Crew]) -> None:
        """Tell the edge, and take the change only when the edge has."""
        self._door.tell(self._edge(endpoint, crews))
        for name, crew in crews.items():
            if self.crews.get(name) is not crew:
                self.comparison.forget(name)  # before anybody can see that it is another of this name
        self.endpoint, self.crews = endpoint, dict(crews)
        self.metrics.applied.set_to_current_time()
        try:  # the edge has taken it: whoever is told in vain now must not undo half of it
            self.comparison.follow(endpoint)
            view.write_targets(self, self.run.path / TARGETS_FILE)
            files.replace(self.run.header, f"Authorization: Bearer {self.keys['primary']}\n")
        except (ServeError, OSError) as error:
            _LOG.error(
                "the change is made, but a file beside Envoy's, or the comparison, does not follow it: %s", error
            )
        self.revision += 1

    def _edge(self, endpoint: Endpoint, crews: Mapping[str, Crew]) -> Edge:
        return Edge(
            endpoint=endpoint,
            upstreams=tuple(upstream for crew in crews.values() for upstream in crew.upstreams),
            keys=dict(self.keys),
            listeners=self._plan.listeners,
            admin_port=self.stats[1],
            limits=self._plan.limits,
            tracing=self._plan.tracing,
            log_path=str(self.run.logs / "access.log"),
            stats_host=self.stats[0],
            directory=str(self.run.envoy),
        )

    def _let_go(self, gone: list[Crew], say: Say) -> None:
        for crew in gone:
            say(f"draining {crew.deployment.name} …")
            crew.wait_until_unused()
        self._stop_crews(gone)

    def _stop_crews(self, crews: Iterable[Crew]) -> None:
        stopped = list(crews)
        threads = [threading.Thread(target=crew.stop) for crew in stopped]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for crew in stopped:
            for instance in crew.instances:
                self._instances.pop((instance.deployment, instance.number), None)

    def _in_order(self, endpoint: Endpoint, crews: Mapping[str, Crew]) -> dict[str, Crew]:
        return {name: crews[name] for name in endpoint.deployments}

    def _look(self, deployment: str, number: int) -> Health | None:
        instance = self._instances.get((deployment, number))
        if instance is None:
            return None
        state, crew = instance.state, self.crews.get(deployment)
        well = state.well or (crew is not None and instance in crew.instances and crew.serves(instance))
        return Health(well, state.phase, "" if well else f"{state.reason}: {state.detail}")
