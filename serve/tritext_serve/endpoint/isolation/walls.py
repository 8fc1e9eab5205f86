"""Where everything of an isolated endpoint lives on this machine. Pure.

::

    this machine's network          ingress             deployment-blue
    client ─► loopback listener ─── Envoy ────────────► Triton ──┐
              egress Envoy ◄───── listeners in `egress` ◄────────┘
                                    │
    monitor: the supervisor ◄───────┘ who is well?

A socket stays in the network in which it was made. So the edge runs in ``ingress`` and listens in the machine's own
network, and the egress runs in that and listens in ``egress``: no route, filter or forwarding of the machine changes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tritext_serve.endpoint.egress import STATS_PORT, Egress
from tritext_serve.endpoint.isolation import layout
from tritext_serve.endpoint.isolation.layout import HEALTH_PORT, Site, deployment_namespace
from tritext_serve.endpoint.isolation.plan import NAMED, Plan
from tritext_serve.endpoint.model import Endpoint, Network
from tritext_serve.errors import IsolationError
from tritext_serve.flags import Address

# Instances of a deployment that have ports; the old ones and the new ones of a change are there at once.
SLOTS = 32
MOST_INSTANCES = 8
# Everybody's side of the plan that is this machine's own network here.
ELSEWHERE = ("client", "outside")


@dataclass(frozen=True, slots=True)
class Walls:
    """The network of an endpoint that runs.

    Attributes:
        plan: Its namespaces.
        egress: What the way out lets through.
        outer: File of this machine's own network.
        programs: Paths of ``ip`` and ``nsenter``.
    """

    plan: Plan
    egress: Egress
    outer: str = ""
    programs: Mapping[str, str] = field(default_factory=dict)

    @property
    def health(self) -> tuple[str, int]:
        """Where the edge asks who is well."""
        return self.plan.address("monitor", "ingress"), HEALTH_PORT

    @property
    def stats(self) -> tuple[str, int]:
        """Where the edge shows its counters to the monitor."""
        return self.plan.address("ingress", "monitor"), STATS_PORT

    @property
    def leave(self) -> tuple[str, ...]:
        """What runs a command in this machine's own network, from wherever."""
        return (self.programs["nsenter"], f"--net={self.outer}")

    def enter(self, namespace: str) -> tuple[str, ...]:
        """Give what runs a command in a namespace."""
        return (self.programs["ip"], "netns", "exec", self.plan.kernel_name(namespace))

    def seat(self, deployment: str, number: int) -> tuple[Address, tuple[str, ...]]:
        """Give an instance its address, as the supervisor reaches it, and what starts it in its namespace."""
        own = deployment_namespace(deployment)
        ports = layout.ports_of(number % SLOTS)
        address = Address("0.0.0.0", *ports, reached=self.plan.address(own, "monitor"))  # noqa: S104  # of its namespace
        return address, self.enter(own)

    def reached(self, deployment: str) -> str:
        """Where the edge reaches a deployment."""
        return self.plan.address(deployment_namespace(deployment), "ingress")

    def check(self, endpoint: Endpoint) -> None:
        """Refuse a change of the endpoint for which the walls would have to move.

        Raises:
            IsolationError: it has other deployments or other rules than when it was started.
        """
        wanted = wall_off(endpoint, self.plan.prefix)
        if (wanted.plan, wanted.egress) != (self.plan, self.egress):
            raise IsolationError(
                "apply: other deployments or outbound rules than when the endpoint was started with --isolate: stop "
                "it with `tritext endpoint down`, and start it anew"
            )


def wall_off(endpoint: Endpoint, prefix: str) -> Walls:
    """Plan the walls of an endpoint on this machine. Where the files ask for none, nothing may leave.

    Raises:
        IsolationError: a rule means nothing here, or there are more instances than ports.
    """
    if endpoint.network.isolation_mode == "allow_internet_outbound":
        raise IsolationError(
            "managed_network.isolation_mode: allow_internet_outbound: the namespaces have no way to the whole "
            "internet: write allow_only_approved_outbound and the names"
        )
    if endpoint.network.isolation_mode == "disabled":
        endpoint = replace(endpoint, network=Network("allow_only_approved_outbound"))
    for name, deployment in endpoint.deployments.items():
        if deployment.instance_count > MOST_INSTANCES:
            raise IsolationError(
                f"deployment {name}: instance_count {deployment.instance_count}: with --isolate there are ports for "
                f"{MOST_INSTANCES}: write {MOST_INSTANCES} or less"
            )
    whole = layout.lay_out(endpoint, Site(prefix, slots=SLOTS))
    links = tuple(link for link in whole.links if not any(end.namespace in ELSEWHERE for end, _ in link.ends))
    inside = tuple(namespace for namespace in whole.namespaces if namespace.name not in ELSEWHERE)
    out = replace(
        layout.doorways(endpoint),
        namespace=f"{NAMED}/{prefix}-egress", admin_socket="admin.sock",
    )  # fmt: skip
    return Walls(Plan(prefix, inside, links), out)
