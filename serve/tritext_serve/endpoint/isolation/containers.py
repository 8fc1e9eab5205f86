"""An endpoint in, the files of the compose stack's two Envoys out. Pure.

::

    this machine's loopback ─► private ─┐                     ┌─ blue  (internal) ─┐
    wherever it is published ─► public ─┤ ingress ── 8000/1 ──┤                    ├── egress ── outbound ─► names
    prometheus ──────────── monitoring ─┘                     └─ green (internal) ─┘

Containers have no filter by ports of their own, so who may not speak to whom shares no network. Prometheus is on none
of Triton's: the ingress hands it the metrics, and them alone. There is no supervisor here either: the ingress asks each
Triton the canary text itself, every second or two, and sends no request to one that does not give the certified label.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tritext_serve.canary import Canary
from tritext_serve.endpoint import egress
from tritext_serve.endpoint.edge import Edge, Listener, render
from tritext_serve.endpoint.edge.clusters import TYPE
from tritext_serve.endpoint.isolation.outbound import outbound
from tritext_serve.endpoint.model import Endpoint, Upstream
from tritext_serve.errors import IsolationError

# The services of the compose files, in the order of their networks. A third would be a third service and network.
DEPLOYMENTS = ("blue", "green")
USUAL_SUBNET = "10.60"
PRIVATE_PORT, PUBLIC_PORT, HTTP_PORT, GRPC_PORT, METRICS_PORT, STATS_PORT = 8080, 8443, 8000, 8001, 8002, 9902
FOLDER = "/etc/tritext"
# The folder is mounted read-only, and Envoy joins this to it.
SOCKET_IN_TMP = "../../tmp/admin.sock"
CHECK_SECONDS, CHECK_TIMEOUT = "2s", "2s"
EXPECTED = "tritext_expected_label_share"
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


@dataclass(frozen=True, slots=True)
class Certified:
    """What a deployment's export is known to give.

    Attributes:
        canary: A text and its label.
        shares: How often each label was given to the certificate's texts, as shares of 1.
    """

    canary: Canary
    shares: Mapping[str, float] = field(default_factory=dict)


def ingress(
    endpoint: Endpoint, keys: Mapping[str, str], certified: Mapping[str, Certified], ground: Ground
) -> dict[str, str]:
    """Write the ingress' files.

    Args:
        endpoint: What to serve.
        keys: The valid keys by their clients' names; they stand in the files.
        certified: What each deployment must answer.
        ground: The addresses.

    Returns:
        JSON texts by file name.
    """
    check(endpoint)
    listeners = [Listener(ground.private, PRIVATE_PORT)]
    if endpoint.public_network_access == "enabled":
        listeners.append(Listener(ground.public, PUBLIC_PORT))
    upstreams = tuple(
        Upstream(name, ground.triton(name), HTTP_PORT, GRPC_PORT, HTTP_PORT) for name in endpoint.deployments
    )
    edge = Edge(
        endpoint, upstreams, keys, tuple(listeners), STATS_PORT,
        stats_host=ground.stats, directory=FOLDER, admin_socket=SOCKET_IN_TMP,
    )  # fmt: skip
    files = render(edge)
    files["cds.json"] = _judged(files["cds.json"], certified)
    files["bootstrap.json"] = _with_metrics(files["bootstrap.json"], endpoint, certified, ground)
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
    return egress.render(egress.Egress(tuple(doorways), stats_address=ground.egress_stats))


def canary_check(canary: Canary) -> dict[str, Any]:
    """Describe Envoy's active health check of one Triton: an inference whose answer must be the certified one."""
    body = {"inputs": canary.inputs, "outputs": [{"name": "label_id"}]}
    return {
        "timeout": CHECK_TIMEOUT,
        "interval": CHECK_SECONDS,
        "no_traffic_interval": CHECK_SECONDS,
        "unhealthy_threshold": 1,
        "healthy_threshold": 1,
        "http_health_check": {
            "method": "POST",
            "path": f"/v2/models/{canary.model}/versions/{canary.version}/infer",
            "request_headers_to_add": [{"header": {"key": "content-type", "value": "application/json"}}],
            "send": {"text": json.dumps(body).encode().hex()},
            "receive": [{"text": f'"data":[{canary.label_id}]'.encode().hex()}],
        },
    }


def _judged(clusters: str, certified: Mapping[str, Certified]) -> str:
    """Let every cluster be judged by its deployment's canary; both protocols are asked by HTTP."""
    content = json.loads(clusters)
    for cluster in content["resources"]:
        known = certified.get(cluster["name"].removesuffix("_grpc"))
        if known is not None:
            cluster["health_checks"] = [canary_check(known.canary)]
    return json.dumps(content, indent=1) + "\n"


def scraped(endpoint: Endpoint) -> list[dict[str, Any]]:
    """List whom Prometheus is to scrape, as its ``http_sd_configs`` want it."""

    def group(target: str, path: str, **labels: str) -> dict[str, Any]:
        return {"targets": [target], "labels": {"__metrics_path__": path, "endpoint": endpoint.name, **labels}}

    tritons = [
        group(f"ingress:{METRICS_PORT}", f"/metrics/{name}", job="triton", deployment=name, instance=name)
        for name in endpoint.deployments
    ]
    edges = [
        group(f"{name}:{STATS_PORT}", "/stats/prometheus", job=job)
        for name, job in (("ingress", "envoy"), ("egress", "egress"))
    ]
    return [*tritons, *edges, group(f"ingress:{METRICS_PORT}", "/metrics/expected", job="certificates")]


def expected(certified: Mapping[str, Certified]) -> str:
    """Write the label shares of the certificates as Prometheus reads them: what drift is measured from."""
    lines = [f"# TYPE {EXPECTED} gauge"]
    for name, known in certified.items():
        for label, share in known.shares.items():
            escaped = label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
            lines.append(
                f'{EXPECTED}{{deployment="{name}",model="{known.canary.model}",label="{escaped}"}} {share:.6f}'
            )
    return "\n".join(lines) + "\n"


def _with_metrics(bootstrap: str, endpoint: Endpoint, certified: Mapping[str, Certified], ground: Ground) -> str:
    """Add a listener that tells Prometheus whom to scrape and hands it each deployment's metrics, and nothing else."""
    content = json.loads(bootstrap)
    routes = [
        _told("/targets", "application/json", json.dumps(scraped(endpoint))),
        _told("/metrics/expected", "text/plain; version=0.0.4", expected(certified)),
    ]
    for name in endpoint.deployments:
        onwards = {"cluster": f"{name}_metrics", "prefix_rewrite": "/metrics", "timeout": "10s"}
        routes.append({"match": {"path": f"/metrics/{name}"}, "route": onwards})
        content["static_resources"]["clusters"].append(_metrics_cluster(name, ground))
    manager = {
        "@type": TYPE + MANAGER,
        "stat_prefix": "metrics",
        "route_config": {"virtual_hosts": [{"name": "metrics", "domains": ["*"], "routes": routes}]},
        "http_filters": [{"name": "router", "typed_config": {"@type": TYPE + ROUTER}}],
    }
    content["static_resources"]["listeners"].append(
        {
            "name": "metrics",
            "address": egress.socket_address(ground.stats, METRICS_PORT),
            "ignore_global_conn_limit": True,
            "filter_chains": [{"filters": [{"name": "http_connection_manager", "typed_config": manager}]}],
        }
    )
    return json.dumps(content, indent=1) + "\n"


def _told(path: str, kind: str, text: str) -> dict[str, Any]:
    """Answer a path with a text that does not change."""
    return {
        "match": {"path": path},
        "direct_response": {"status": 200, "body": {"inline_string": text}},
        "response_headers_to_add": [
            {"header": {"key": "content-type", "value": kind}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
        ],
    }


def _metrics_cluster(deployment: str, ground: Ground) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": egress.socket_address(ground.triton(deployment), METRICS_PORT)}}
    name = f"{deployment}_metrics"
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
