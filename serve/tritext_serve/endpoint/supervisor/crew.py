"""A deployment as it runs: its file in, its Tritons with what limits them out."""

import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import count, islice
from pathlib import Path

from tritext_serve.endpoint.isolation.walls import Walls
from tritext_serve.endpoint.model import Deployment, Upstream
from tritext_serve.endpoint.supervisor import limits
from tritext_serve.endpoint.supervisor.instance import Instance, Shop
from tritext_serve.endpoint.supervisor.state import Phase
from tritext_serve.endpoint.targets import expected_shares
from tritext_serve.errors import StartError
from tritext_serve.flags import Address
from tritext_serve.ports import steady_ports
from tritext_serve.repository import Model, scan
from tritext_serve.server import Server, ServerOptions

POLL_SECONDS = 0.05
MOST_DRAIN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Site:
    """Where an endpoint's Tritons run.

    Attributes:
        endpoint: The endpoint's name.
        logs: Folder of their logs.
        options: How each is served; its address and log are set here.
        memory_bytes: What one deployment may take; None for no limit.
        health_host: Where the edge asks for health.
        health_port: Likewise.
        isolate: Whether control groups are tried.
        walls: The network that they have to themselves, if any.
    """

    endpoint: str
    logs: Path
    options: ServerOptions
    memory_bytes: int | None
    health_host: str
    health_port: int
    isolate: bool = True
    walls: Walls | None = None


@dataclass(slots=True)
class Crew:
    """The instances of one deployment.

    Attributes:
        deployment: Its file.
        instances: Its Tritons.
        group: What limits them.
        site: Where they run.
        expected: Share of each label among the certificate's texts, by model and label.
    """

    deployment: Deployment
    instances: tuple[Instance, ...]
    group: limits.Group
    site: Site
    expected: Mapping[tuple[str, str], float] = field(default_factory=dict)

    @property
    def number(self) -> int:
        """Its first instance's, which no other crew of the deployment has had or will have."""
        return self.instances[0].number

    @property
    def models(self) -> Mapping[str, list[str]]:
        """The versions that each front serves."""
        return served(self.instances[0].server.models)

    @property
    def upstreams(self) -> list[Upstream]:
        """Where the edge finds the instances."""
        return [self._upstream(instance) for instance in self.instances]

    @property
    def well(self) -> int:
        """How many instances get requests."""
        return sum(instance.state.well for instance in self.instances)

    def serves(self, instance: Instance) -> bool:
        """Whether an instance is to get requests: if it is well, or is late where none of several is better.

        When all are late at once it is the machine that is busy, and nobody would be served.
        """
        alone = len(self.instances) == 1
        return instance.state.well or (instance.state.suspect and not alone and not self.well)

    def start(self) -> None:
        """Begin to start every instance; returns at once."""
        for instance in self.instances:
            instance.start()

    def wait_until_well(self, cancelled: threading.Event) -> None:
        """Wait until every instance serves.

        Raises:
            StartError: one did not start, with its reasons; or it is cancelled.
        """
        while not all(instance.state.well for instance in self.instances):
            for instance in self.instances:
                if instance.state.restarts or instance.state.phase is Phase.ILL:
                    raise StartError(f"deployment {self.deployment.name}: {instance.state.detail}")
            if cancelled.wait(POLL_SECONDS):
                raise StartError(f"deployment {self.deployment.name}: the endpoint is being stopped")

    def wait_until_unused(self) -> None:
        """Wait until the edge has closed its connections, as it does when their last request is answered."""
        longest = self.deployment.request_settings.request_timeout_ms / 1000
        deadline = time.monotonic() + min(longest, MOST_DRAIN_SECONDS) + 1
        while time.monotonic() < deadline and any(instance.used for instance in self.instances):
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """Stop every instance, all at once."""
        threads = [threading.Thread(target=instance.stop) for instance in self.instances]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.group.remove()

    def _upstream(self, instance: Instance) -> Upstream:
        address, walls = instance.server.options.address, self.site.walls
        return Upstream(
            self.deployment.name,
            walls.reached(self.deployment.name) if walls else address.reachable_host,
            address.http,
            address.grpc,
            self.site.health_port,
            self.site.health_host,
            instance.number,
        )


def gather(deployment: Deployment, site: Site, shop: Shop, numbers: "count[int]") -> Crew:
    """Make a deployment's instances, without starting any.

    Raises:
        RepositoryError: the repository cannot be served.
    """
    run = f"{site.endpoint}-{os.getpid()}"
    own = list(islice(numbers, deployment.instance_count))
    # By its first instance, too: those that it takes over from have a limit of their own until they are gone.
    group = limits.make(run, f"{deployment.name}-{own[0]}", site.memory_bytes) if site.isolate else limits.Group()
    try:
        instances = tuple(_instance(deployment, number, group, site, shop) for number in own)
    except BaseException:
        group.remove()
        raise
    return Crew(deployment, instances, group, site, _expected(instances[0].server.models))


def served(models: tuple[Model, ...]) -> dict[str, list[str]]:
    """Name the versions that each front serves."""
    return {model.name: [v.name for v in model.served_versions] for model in models if model.is_front}


def must_change(crew: Crew, deployment: Deployment) -> bool:
    """Whether a deployment's Tritons must be others: its repository, its count, or what is in service there.

    Raises:
        RepositoryError: the repository cannot be served.
    """
    old = crew.deployment
    if (old.repository, old.instance_count) != (deployment.repository, deployment.instance_count):
        return True
    return served(scan(deployment.repository)) != crew.models


def _instance(deployment: Deployment, number: int, group: limits.Group, site: Site, shop: Shop) -> Instance:
    if site.walls:
        address, enter = site.walls.seat(deployment.name, number)
    else:
        address, enter = Address("127.0.0.1", *steady_ports(3)), ()
    log = site.logs / f"{deployment.name}-{number}.log"
    server = Server(deployment.repository, replace(site.options, address=address, log=log, enter=enter))
    return Instance(deployment.name, number, server, group, shop)


def _expected(models: tuple[Model, ...]) -> dict[tuple[str, str], float]:
    """Read the newest version's certificate of each front."""
    fronts = [model for model in models if model.is_front]
    return {
        (front.name, label): share
        for front in fronts
        for label, share in expected_shares(front.served_versions[-1]).items()
    }
