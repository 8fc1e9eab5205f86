"""The way out: outbound rules in, the egress' file out. Pure.

Pods find this proxy by an address in their environment, so that they need no name server, and ask it by CONNECT. It
connects to the names of the network file and answers 403 to every other. What passes is not decrypted. Where a name
leads is not looked at here: that it is an address outside is what the network policy ``egress`` says.
"""

import json
from collections.abc import Sequence
from typing import Any

from tritext_serve.endpoint.edge.clusters import TYPE
from tritext_serve.endpoint.isolation.outbound import Outbound, outbound
from tritext_serve.endpoint.kubernetes.ingress import EVERYWHERE, STATS_PORT, check
from tritext_serve.endpoint.model import Endpoint
from tritext_serve.errors import IsolationError

PROXY_PORT, ADMIN_PORT = 3128, 9901
TLS_PORT = 443
CLUSTER, ADMIN = "anywhere-allowed", "administration"
FILTERS = f"{TYPE}envoy.extensions.filters."
# The same in the filter and in the cluster, or Envoy refuses the file. getaddrinfo honours a pod's search domains.
RESOLVER = {
    "name": "egress",
    "dns_lookup_family": "V4_ONLY",
    "max_hosts": 256,
    "typed_dns_resolver_config": {
        "name": "envoy.network.dns_resolver.getaddrinfo",
        "typed_config": {
            "@type": f"{TYPE}envoy.extensions.network.dns_resolver.getaddrinfo.v3.GetAddrInfoDnsResolverConfig"
        },
    },
}
LOG_FIELDS = {
    "time": "%START_TIME%",
    "from": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "name": "%REQ(:AUTHORITY)%",
    "status": "%RESPONSE_CODE%",
    "to": "%UPSTREAM_HOST%",
    "ms": "%DURATION%",
}
REFUSED = "this name is not among the outbound rules of the network file\n"


def egress(endpoint: Endpoint) -> dict[str, str]:
    """Write the egress' file.

    Returns:
        JSON text by file name; ``egress.json`` is the only one.

    Raises:
        IsolationError: a deployment may reach everything, or an outbound rule means nothing here.
    """
    check(endpoint)
    bootstrap = {
        "admin": {"address": _address("127.0.0.1", ADMIN_PORT)},
        "static_resources": {
            "listeners": [_proxy(allowed(endpoint)), _counters()],
            "clusters": [_forwarder(), _administration()],
        },
    }
    return {"egress.json": json.dumps(bootstrap, indent=1) + "\n"}


def allowed(endpoint: Endpoint) -> list[str]:
    """List what any deployment may reach, as ``name:port``; a leading ``*.`` stands for every name below.

    Raises:
        IsolationError: a deployment may reach everything.
    """
    found: set[str] = set()
    for name, deployment in endpoint.deployments.items():
        reached = outbound(endpoint.network, deployment)
        if reached.everything:
            raise IsolationError(
                f"deployment {name}: isolation_mode {endpoint.network.isolation_mode}: the pods' network policies let "
                "them reach nothing but the egress: give a network file with allow_only_approved_outbound"
            )
        found |= {f"{host}:{port}" for host, port in _let(reached)}
    return sorted(found)


def beyond_the_policy(endpoint: Endpoint) -> list[str]:
    """List what is allowed and the network policy ``egress`` stops all the same: addresses inside, ports but 443.

    Returns:
        A line for each, with the remedy.
    """
    found: set[str] = set()
    for deployment in endpoint.deployments.values():
        reached = outbound(endpoint.network, deployment)
        found |= {
            f"{each.host} is a private endpoint: let its address into the policy egress, or nobody reaches it"
            for each in reached.private
        }
        found |= {
            f"{host}:{port}: the policy egress lets port {TLS_PORT} alone: add {port} to it"
            for host, port in _let(reached)
            if port != TLS_PORT
        }
    return sorted(found)


def _let(reached: Outbound) -> list[tuple[str, int]]:
    """List names with their ports, private endpoints' too."""
    let = [(each.host, each.ports) for each in reached.names] + [(each.host, each.ports) for each in reached.private]
    return [(host, port) for host, ports in let for port in ports]


def _proxy(hosts: Sequence[str]) -> dict[str, Any]:
    filters = [
        _typed("names", "http.dynamic_forward_proxy.v3.FilterConfig", {"dns_cache_config": RESOLVER}),
        _typed("router", "http.router.v3.Router", {}),
    ]
    refuse = {"match": {"prefix": "/"}, "direct_response": {"status": 403, "body": {"inline_string": REFUSED}}}
    refused = {"name": "refused", "domains": ["*"], "routes": [_refuse_connect(), refuse]}
    connect = {"upgrade_configs": [{"upgrade_type": "CONNECT", "connect_config": {}}], "timeout": "0s"}
    through = {"match": {"connect_matcher": {}}, "route": {"cluster": CLUSTER} | connect}
    hosts_let = [{"name": "allowed", "domains": list(hosts), "routes": [through]}] if hosts else []
    manager = {
        "stat_prefix": "egress",
        "request_headers_timeout": "5s",
        "stream_idle_timeout": "300s",
        "access_log": [_log()],
        "route_config": {"virtual_hosts": [*hosts_let, refused]},
        "http_filters": filters,
    }
    return _listener("proxy", PROXY_PORT, manager)


def _refuse_connect() -> dict[str, Any]:
    """Match CONNECT, which a prefix does not."""
    return {
        "match": {"connect_matcher": {}},
        "direct_response": {"status": 403, "body": {"inline_string": REFUSED}},
    }


def _counters() -> dict[str, Any]:
    """Show this Envoy's counters, and no other page of its administration."""
    route = {"match": {"path": "/stats/prometheus"}, "route": {"cluster": ADMIN}}
    manager = {
        "stat_prefix": "counters",
        "route_config": {"virtual_hosts": [{"name": "counters", "domains": ["*"], "routes": [route]}]},
        "http_filters": [_typed("router", "http.router.v3.Router", {})],
    }
    return _listener("counters", STATS_PORT, manager)


def _listener(name: str, port: int, manager: dict[str, Any]) -> dict[str, Any]:
    kind = "network.http_connection_manager.v3.HttpConnectionManager"
    return {
        "name": name,
        "address": _address(EVERYWHERE, port),
        "per_connection_buffer_limit_bytes": 1 << 16,
        "filter_chains": [{"filters": [_typed("http", kind, manager)]}],
    }


def _forwarder() -> dict[str, Any]:
    kind = f"{TYPE}envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig"
    return {
        "name": CLUSTER,
        "lb_policy": "CLUSTER_PROVIDED",
        "connect_timeout": "5s",
        "cluster_type": {"name": "names", "typed_config": {"@type": kind, "dns_cache_config": RESOLVER}},
    }


def _administration() -> dict[str, Any]:
    endpoint = {"endpoint": {"address": _address("127.0.0.1", ADMIN_PORT)}}
    return {
        "name": ADMIN,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": ADMIN, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _log() -> dict[str, Any]:
    kind = f"{TYPE}envoy.extensions.access_loggers.file.v3.FileAccessLog"
    form = {"json_format": LOG_FIELDS, "omit_empty_values": True}
    return {"name": "log", "typed_config": {"@type": kind, "path": "/dev/stdout", "log_format": form}}


def _typed(name: str, kind: str, config: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "typed_config": {"@type": FILTERS + kind} | config}


def _address(host: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": port}}
