"""An endpoint in, the files of the compose stack's two Envoys out. Pure.

::

    this machine's loopback ─► private ─┐                     ┌─ blue  (internal) ─┐
    wherever it is published ─► public ─┤ ingress ── 8000/1 ──┤                    ├── egress ── outbound ─► names
    prometheus ──────────── monitoring ─┘                     └─ green (internal) ─┘

Containers have no filter by ports of their own, so who may not speak to whom shares no network. Prometheus is on none
of Triton's: the ingress hands it the metrics, and them alone. A watcher stands in each deployment's container
(``endpoint.watch``): the ingress asks it every second whether its Triton answers the canary.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tritext_serve.endpoint import egress, passage
from tritext_serve.endpoint.edge import Edge, Listener, render
from tritext_serve.endpoint.edge.clusters import ADMIN, TYPE
from tritext_serve.endpoint.edge.listeners import file_source
from tritext_serve.endpoint.isolation.outbound import outbound
from tritext_serve.endpoint.model import Endpoint, Upstream
from tritext_serve.errors import IsolationError

# The services of the compose files, in the order of their networks. A third would be a third service and network.
DEPLOYMENTS = ("blue", "green")
USUAL_SUBNET = "10.60"
PRIVATE_PORT, PUBLIC_PORT, HTTP_PORT, GRPC_PORT, METRICS_PORT, HEALTH_PORT = 8080, 8443, 8000, 8001, 8002, 8003
STATS_PORT, DRAIN_PORT = 9902, 9903
FOLDER = "/etc/tritext"
# The folder is mounted read-only, and Envoy joins this to it.
SOCKET_IN_TMP = "../../tmp/admin.sock"
TOLD = "metrics.json"
MOST_TOLD_BYTES = 1 << 20
MANAGER = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = "envoy.extensions.filters.http.router.v3.Router"


@dataclass(frozen=True, slots=True)
class Ground:
    """The addresses of the stack's networks.

    Attributes:
        subnet: The first two numbers of every address.
    """

    subnet: str = USUAL_SUBNET

    @property
    def prefix(self) -> str:
        """What all of them begin with."""
        return f"{self.subnet}.0.0/16"

    @property
    def private(self) -> str:
        """Where the ingress listens for this machine and for containers on the private network."""
        return f"{self.subnet}.0.2"

    @property
    def public(self) -> str:
        """Where it listens for the public."""
        return f"{self.subnet}.1.2"

    @property
    def stats(self) -> str:
        """Where it shows counters, its own and Triton's."""
        return f"{self.subnet}.3.2"

    @property
    def egress_stats(self) -> str:
        """Where the egress shows its counters."""
        return f"{self.subnet}.3.3"

    def doorway(self, deployment: str) -> str:
        """Where the egress listens for a deployment; the deployment's name server too."""
        return f"{self.subnet}.{16 + DEPLOYMENTS.index(deployment)}.3"

    def triton(self, deployment: str) -> str:
        """Where a deployment's Triton listens."""
        return f"{self.subnet}.{16 + DEPLOYMENTS.index(deployment)}.4"


def check(endpoint: Endpoint) -> None:
    """Refuse what the compose files have no service for.

    Raises:
        IsolationError: naming the deployment.
    """
    for name, deployment in endpoint.deployments.items():
        if name not in DEPLOYMENTS:
            raise IsolationError(
                f"deployment {name}: the compose files have the services {' and '.join(DEPLOYMENTS)}: name it so"
            )
        if deployment.instance_count != 1:
            raise IsolationError(
                f"deployment {name}: instance_count {deployment.instance_count}: a service of the compose files is one "
                "Triton: write 1"
            )


def ingress(endpoint: Endpoint, keys: Mapping[str, str], ground: Ground) -> dict[str, str]:
    """Write the ingress' files.

    Args:
        endpoint: What to serve.
        keys: The valid keys by their clients' names; they stand in the files.
        ground: The addresses.

    Returns:
        JSON texts by file name.
    """
    check(endpoint)
    listeners = [Listener(ground.private, PRIVATE_PORT)]
    if endpoint.public_network_access == "enabled":
        listeners.append(Listener(ground.public, PUBLIC_PORT))
    upstreams = tuple(
        Upstream(name, ground.triton(name), HTTP_PORT, GRPC_PORT, HEALTH_PORT) for name in endpoint.deployments
    )
    edge = Edge(
        endpoint, upstreams, keys, tuple(listeners), STATS_PORT,
        stats_host=ground.stats, directory=FOLDER, admin_socket=SOCKET_IN_TMP,
    )  # fmt: skip
    files = render(edge)
    files["bootstrap.json"] = _with_metrics(files["bootstrap.json"], edge, ground)
    files[TOLD] = _told_to_prometheus(endpoint, len(keys))
    return files


def way_out(endpoint: Endpoint, ground: Ground) -> dict[str, str]:
    """Write the egress' file. Where nothing may leave, it listens for nobody.

    Raises:
        IsolationError: an outbound rule means nothing here.
    """
    check(endpoint)
    doorways = []
    for name, deployment in endpoint.deployments.items():
        reached = outbound(endpoint.network, deployment)
        if reached.everything and endpoint.network.isolation_mode != "disabled":
            raise IsolationError(
                f"isolation_mode {endpoint.network.isolation_mode}: the deployments' networks are internal: write "
                "allow_only_approved_outbound and the names"
            )
        if reached.names:
            doorways.append(egress.Doorway(name, ground.doorway(name), reached.names))
    nowhere = (*passage.INSIDE, ground.prefix)
    return egress.render(egress.Egress(tuple(doorways), stats_address=ground.egress_stats, nowhere=nowhere))


def scraped(endpoint: Endpoint) -> list[dict[str, Any]]:
    """List whom Prometheus is to scrape, as its ``http_sd_configs`` want it."""

    def group(target: str, path: str, **labels: str) -> dict[str, Any]:
        return {"targets": [target], "labels": {"__metrics_path__": path, "endpoint": endpoint.name, **labels}}

    ingress_metrics = f"ingress:{METRICS_PORT}"
    found = [group(ingress_metrics, "/metrics/endpoint", job="endpoint")]
    for name in endpoint.deployments:
        found.append(group(ingress_metrics, f"/metrics/{name}", job="triton", deployment=name, instance=name))
        # Its samples say themselves of which deployment they are.
        found.append(group(ingress_metrics, f"/metrics/{name}/watcher", job="supervisor", instance=name))
    for name, job in (("ingress", "envoy"), ("egress", "egress")):
        found.append(group(f"{name}:{STATS_PORT}", "/stats/prometheus", job=job))
    return found


def standing(endpoint: Endpoint, keys: int) -> str:
    """Write what no watcher knows as Prometheus reads it: how the traffic is split, and how many keys there are."""
    shares = (("traffic", endpoint.traffic), ("mirror", endpoint.mirror_traffic))
    lines = []
    for kind, by_name in shares:
        lines.append(f"# TYPE tritext_{kind}_share gauge")
        for name in endpoint.deployments:
            lines.append(f'tritext_{kind}_share{{deployment="{name}"}} {by_name.get(name, 0)}')
    return "\n".join([*lines, "# TYPE tritext_keys gauge", f"tritext_keys {keys}"]) + "\n"


def _told_to_prometheus(endpoint: Endpoint, keys: int) -> str:
    """Write the routes of the metrics listener: whom to scrape, each deployment's metrics, and nothing else."""
    routes = [
        _told("/targets", "application/json", json.dumps(scraped(endpoint))),
        _told("/metrics/endpoint", "text/plain; version=0.0.4", standing(endpoint, keys)),
    ]
    for name in endpoint.deployments:
        for path, cluster in ((f"/metrics/{name}", f"{name}_metrics"), (f"/metrics/{name}/watcher", f"{name}_watcher")):
            onwards = {"cluster": cluster, "prefix_rewrite": "/metrics", "timeout": "10s"}
            routes.append({"match": {"path": path}, "route": onwards})
    table = {
        "@type": TYPE + "envoy.config.route.v3.RouteConfiguration",
        "name": "metrics",
        "max_direct_response_body_size_bytes": MOST_TOLD_BYTES,
        "virtual_hosts": [{"name": "metrics", "domains": ["*"], "routes": routes}],
    }
    return json.dumps({"resources": [table]}, indent=1) + "\n"


def _with_metrics(bootstrap: str, edge: Edge, ground: Ground) -> str:
    """Add a listener for Prometheus, and one inside the container by which it is drained before it stops."""
    content = json.loads(bootstrap)
    static = content["static_resources"]
    for name in edge.endpoint.deployments:
        static["clusters"].append(_metrics_cluster(f"{name}_metrics", ground.triton(name), METRICS_PORT))
        static["clusters"].append(_metrics_cluster(f"{name}_watcher", ground.triton(name), HEALTH_PORT))
    told = {"rds": {"route_config_name": "metrics", "config_source": file_source(edge, TOLD)}}
    static["listeners"].append(_listener("metrics", ground.stats, METRICS_PORT, told))
    # Its connections must not be drained with the others.
    drain = _listener("drain", "127.0.0.1", DRAIN_PORT, _drain_routes()) | {"drain_type": "MODIFY_ONLY"}
    static["listeners"].append(drain)
    return json.dumps(content, indent=1) + "\n"


def _drain_routes() -> dict[str, Any]:
    """Pass on to Envoy's administration what its start script needs to stop it in order, and nothing else."""
    asked = (
        ("POST", "/healthcheck/fail"),
        ("POST", "/drain_listeners"),
        ("GET", "/stats"),
    )
    routes = [
        {
            "match": {"path": path, "headers": [{"name": ":method", "string_match": {"exact": method}}]},
            "route": {"cluster": ADMIN, "timeout": "5s"},
        }
        for method, path in asked
    ]
    return {"route_config": {"virtual_hosts": [{"name": "drain", "domains": ["*"], "routes": routes}]}}


def _listener(name: str, host: str, port: int, routed: dict[str, Any]) -> dict[str, Any]:
    manager = {
        "@type": TYPE + MANAGER,
        "stat_prefix": name,
        **routed,
        "http_filters": [{"name": "router", "typed_config": {"@type": TYPE + ROUTER}}],
    }
    return {
        "name": name,
        "address": egress.socket_address(host, port),
        "ignore_global_conn_limit": True,
        "filter_chains": [{"filters": [{"name": "http_connection_manager", "typed_config": manager}]}],
    }


def _told(path: str, kind: str, text: str) -> dict[str, Any]:
    """Answer a path with a text."""
    return {
        "match": {"path": path},
        "direct_response": {"status": 200, "body": {"inline_string": text}},
        "response_headers_to_add": [
            {"header": {"key": "content-type", "value": kind}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
        ],
    }


def _metrics_cluster(name: str, host: str, port: int) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": egress.socket_address(host, port)}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
