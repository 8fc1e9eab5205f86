"""The names that a way out leads to: allowed names in, Envoy's routes and clusters for them out. Pure.

::

    CONNECT blob.example:443 ────► a cluster of that name's own        which nobody else can fill
    CONNECT x.films.example:443 ─► a cluster for `*.films.example`     as many names as it has room for, each bounded
                                   └─ within it a cluster for each name that is asked for, with its addresses

Envoy makes a cluster for each name that is asked for and keeps it a while. What is inside may ask for any number of
names below a wildcard, and so could fill the room of a table that all share: hence a table a rule, and below a wildcard
only so many new connections a second from each that asks (``Pace``).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

TYPES = "type.googleapis.com/envoy.extensions"
PREFIX = "allowed"
CONNECT_SECONDS, RESOLVE_SECONDS = 5, 5
# A name that nobody has asked for is forgotten after this long, or twice it.
FORGET_SECONDS = 15
# A name of several addresses is tried at so many more of them.
OTHER_ADDRESSES = 2


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast one may make new connections to names below wildcards.

    Attributes:
        burst: At once.
        per_second: From then on.
    """

    burst: int
    per_second: int

    @property
    def names(self) -> int:
        """How many names can be remembered of one that asks, since each took a connection."""
        return self.burst + self.per_second * 2 * FORGET_SECONDS

    @property
    def bucket(self) -> dict[str, Any]:
        """Write it as Envoy does."""
        return {"max_tokens": self.burst, "tokens_per_fill": self.per_second, "fill_interval": "1s"}


def is_wildcard(name: str) -> bool:
    """Whether a name stands for all below it."""
    return name.startswith("*.")


def cluster_name(name: str) -> str:
    """Name the cluster of an allowed ``name:port``; counters and the access log show it."""
    return f"{PREFIX}-{name}".replace("*", "any").replace(":", "-")


def clusters(names: Iterable[str], room: int, breakers: dict[str, Any]) -> list[dict[str, Any]]:
    """Describe what makes a cluster for each name that is asked for.

    Args:
        names: What is allowed, as ``name:port``.
        room: How many names are remembered below each wildcard: as many as all who ask have, each at its pace.
        breakers: How many connections there may be to each name, as Envoy has it.
    """
    return [_cluster(name, room if is_wildcard(name) else 1, breakers) for name in names]


def hosts(names: Sequence[str], bounded: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """Describe the virtual hosts that lead to those clusters; Envoy takes the longest name that fits.

    Args:
        names: What is allowed, as ``name:port``.
        bounded: Settings of filters, by name, for what lies below a wildcard.
    """
    found = []
    for name in names:
        host = {"name": cluster_name(name), "domains": [name], "routes": [_route(name)]}
        found.append(host | {"typed_per_filter_config": bounded} if bounded and is_wildcard(name) else host)
    return found


def resolve() -> dict[str, Any]:
    """Describe the filter that waits until a name's cluster is there."""
    kind = f"{TYPES}.filters.http.dynamic_forward_proxy.v3.FilterConfig"
    config = {"sub_cluster_config": {"cluster_init_timeout": f"{RESOLVE_SECONDS}s"}}
    return {"name": "names", "typed_config": {"@type": kind, **config}}


def _cluster(name: str, most: int, breakers: dict[str, Any]) -> dict[str, Any]:
    resolver = f"{TYPES}.network.dns_resolver.cares.v3.CaresDnsResolverConfig"
    each = {"lb_policy": "ROUND_ROBIN", "max_sub_clusters": most, "sub_cluster_ttl": f"{FORGET_SECONDS}s"}
    kind = {"@type": f"{TYPES}.clusters.dynamic_forward_proxy.v3.ClusterConfig", "sub_clusters_config": each}
    return {
        "name": cluster_name(name),
        "lb_policy": "CLUSTER_PROVIDED",
        "connect_timeout": f"{CONNECT_SECONDS}s",
        "circuit_breakers": breakers,
        "dns_lookup_family": "V4_ONLY",
        # It honours /etc/hosts and a pod's search domains. One with a thread would have one for each name: a process
        # that may start no more ends.
        "typed_dns_resolver_config": {
            "name": "envoy.network.dns_resolver.cares",
            "typed_config": {"@type": resolver},
        },
        "cluster_type": {"name": "envoy.clusters.dynamic_forward_proxy", "typed_config": kind},  # by this name alone
    }


def _route(name: str) -> dict[str, Any]:
    retry = {
        "retry_on": "connect-failure",
        "num_retries": OTHER_ADDRESSES,
        "retry_host_predicate": [
            {
                "name": "others",
                "typed_config": {"@type": f"{TYPES}.retry.host.previous_hosts.v3.PreviousHostsPredicate"},
            }
        ],
        "host_selection_retry_max_attempts": 2 * OTHER_ADDRESSES,
    }
    tunnel = {"upgrade_configs": [{"upgrade_type": "CONNECT", "connect_config": {}}], "timeout": "0s"}
    onwards = {"cluster": cluster_name(name), "retry_policy": retry, **tunnel}
    return {"match": {"connect_matcher": {}}, "route": onwards}
