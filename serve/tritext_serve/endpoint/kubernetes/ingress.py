"""Where clients come in: an endpoint in, the ingress' files out. Pure; the rules are the edge's own.

What a cluster adds: a headless Service's name stands for all ready pods of a deployment, which Envoy looks up every two
seconds, so that each request goes to the pod with the fewest; it asks the watcher in each of them every second; a
mounted ConfigMap or Secret changes by a link in its folder, which Envoy must be told to watch; and before a pod of its
own ends, Envoy is told on loopback to send its clients elsewhere.
"""

import json
from collections.abc import Mapping
from typing import Any

from tritext_serve.endpoint.edge import Edge, Listener, render
from tritext_serve.endpoint.edge.clusters import ADMIN, FILTERS, TYPE, address
from tritext_serve.endpoint.edge.listeners import HCM
from tritext_serve.endpoint.model import Endpoint, Upstream
from tritext_serve.errors import IsolationError

# The deployments that have manifests, and the ports in these.
DEPLOYMENTS = ("blue", "green")
CLIENTS_PORT, PUBLIC_PORT, HTTP_PORT, GRPC_PORT, HEALTH_PORT = 8080, 8443, 8000, 8001, 8003
STATS_PORT, DRAIN_PORT = 9902, 9903
FOLDER = "/etc/tritext"
# The folder is mounted read-only, and Envoy joins this to it.
SOCKET_IN_TMP = "../../tmp/admin.sock"
EVERYWHERE = "0.0.0.0"  # noqa: S104 - a pod's address is not known before; network policies say who reaches it
LOOK_UP_SECONDS = "2s"


def ingress(endpoint: Endpoint, keys: Mapping[str, str], zone: str) -> dict[str, str]:
    """Write the ingress' files.

    Args:
        endpoint: What to serve; a deployment's ``instance_count`` is the most replicas that it may have.
        keys: The valid keys by their clients' names; they stand in ``rds.json`` alone.
        zone: The namespace's DNS zone, such as ``tritext.svc.cluster.local``.

    Returns:
        JSON texts by file name.

    Raises:
        IsolationError: a deployment has no manifests.
    """
    check(endpoint)
    listeners = [Listener(EVERYWHERE, CLIENTS_PORT)]
    if endpoint.public_network_access == "enabled":
        listeners.append(Listener(EVERYWHERE, PUBLIC_PORT))
    upstreams = tuple(
        Upstream(name, f"{name}-triton.{zone}", HTTP_PORT, GRPC_PORT, HEALTH_PORT) for name in endpoint.deployments
    )
    edge = Edge(
        endpoint, upstreams, keys, tuple(listeners), STATS_PORT,
        stats_host=EVERYWHERE, directory=FOLDER, admin_socket=SOCKET_IN_TMP,
    )  # fmt: skip
    files = {name: json.loads(text) for name, text in render(edge).items()}
    for cluster in files["cds.json"]["resources"]:
        cluster |= {"dns_lookup_family": "V4_PREFERRED", "dns_refresh_rate": LOOK_UP_SECONDS}
    files["bootstrap.json"]["static_resources"]["listeners"].append(_drain())
    return {name: json.dumps(_watching(content), indent=1) + "\n" for name, content in files.items()}


def check(endpoint: Endpoint) -> None:
    """Refuse what ``deploy/k8s`` has no manifests for.

    Raises:
        IsolationError: naming the deployment.
    """
    for name in endpoint.deployments:
        if name not in DEPLOYMENTS:
            raise IsolationError(
                f"deployment {name}: deploy/k8s has manifests for {' and '.join(DEPLOYMENTS)}: name it so"
            )


def _drain() -> dict[str, Any]:
    """Let this pod, and nobody else, say that it is about to end: answers then tell clients to connect elsewhere."""
    post = {"name": ":method", "string_match": {"exact": "POST"}}
    route = {"match": {"path": "/healthcheck/fail", "headers": [post]}, "route": {"cluster": ADMIN, "timeout": "5s"}}
    manager = {
        "@type": TYPE + HCM,
        "stat_prefix": "drain",
        "route_config": {"virtual_hosts": [{"name": "drain", "domains": ["*"], "routes": [route]}]},
        "http_filters": [{"name": "router", "typed_config": {"@type": TYPE + FILTERS + "router.v3.Router"}}],
    }
    return {
        "name": "drain",
        "address": address("127.0.0.1", DRAIN_PORT),
        "ignore_global_conn_limit": True,
        "filter_chains": [{"filters": [{"name": "http_connection_manager", "typed_config": manager}]}],
    }


def _watching(content: Any) -> Any:
    """Tell Envoy to look at its files again when their folder's link changes, as the kubelet changes a volume."""
    if isinstance(content, list):
        return [_watching(each) for each in content]
    if not isinstance(content, dict):
        return content
    found = {name: _watching(value) for name, value in content.items()}
    if "path_config_source" in found:
        found["path_config_source"]["watched_directory"] = {"path": FOLDER}
    return found
