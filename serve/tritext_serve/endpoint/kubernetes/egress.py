"""The way out: outbound rules in, the egress' file out. Pure.

Pods find this proxy by an address in their environment, so that they need no name server, and ask it by CONNECT. It
connects to the names of the network file and answers 403 to every other. What passes is not decrypted. Where a name
leads is not looked at here: that it is an address outside is what the network policy ``egress`` says. A pod that asks
for ever new names below a wildcard is answered 429 when it is too fast, and takes no room that others need.
"""

import json
from collections.abc import Sequence
from typing import Any

from tritext_serve.endpoint import passage_names
from tritext_serve.endpoint.edge.clusters import TYPE
from tritext_serve.endpoint.isolation.outbound import Outbound, outbound
from tritext_serve.endpoint.kubernetes.ingress import EVERYWHERE, STATS_PORT, check
from tritext_serve.endpoint.model import Endpoint
from tritext_serve.endpoint.passage_names import Pace
from tritext_serve.errors import IsolationError

PROXY_PORT, ADMIN_PORT = 3128, 9901
TLS_PORT = 443
ADMINISTRATION = "administration"
FILTERS = f"{TYPE}envoy.extensions.filters."
# Of one pod, to names below wildcards; and for how many pods there is room: two deployments of 20, and a quarter more
# while they are replaced. All names together take half of what the manifest lets the container have.
PACE, PODS = Pace(burst=32, per_second=1), 50
# Connections that one egress holds, and how long one may be silent before it asks.
MOST_CONNECTIONS, SILENT_SECONDS = 4096, 5
LOG_FIELDS = {
    "time": "%START_TIME%",
    "from": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "name": "%REQ(:AUTHORITY)%",
    "status": "%RESPONSE_CODE%",
    "to": "%UPSTREAM_HOST%",
    "ms": "%DURATION%",
}
PACING = "http.local_ratelimit.v3.LocalRateLimit"
REFUSED = "this name is not among the outbound rules of the network file\n"


def egress(endpoint: Endpoint) -> dict[str, str]:
    """Write the egress' file.

    Returns:
        JSON text by file name; ``egress.json`` is the only one.

    Raises:
        IsolationError: a deployment may reach everything, or an outbound rule means nothing here.
    """
    check(endpoint)
    names = allowed(endpoint)
    counted = ("max_connections", "max_pending_requests", "max_requests")
    breakers = {"thresholds": [dict.fromkeys(counted, MOST_CONNECTIONS)]}
    bootstrap = {
        "admin": {"address": _address("127.0.0.1", ADMIN_PORT)},
        "static_resources": {
            "listeners": [_proxy(names), _counters()],
            "clusters": [*passage_names.clusters(names, PACE.names * PODS, breakers), _administration()],
        },
        "overload_manager": _overload(),
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
        found |= {f"{host.lower()}:{port}" for host, port in _let(reached)}
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


def _proxy(names: Sequence[str]) -> dict[str, Any]:
    filters = [
        _typed("pace", PACING, {"stat_prefix": "egress"}),
        passage_names.resolve(),
        _typed("router", "http.router.v3.Router", {}),
    ]
    refuse = {"match": {"prefix": "/"}, "direct_response": {"status": 403, "body": {"inline_string": REFUSED}}}
    refused = {"name": "refused", "domains": ["*"], "routes": [_refuse_connect(), refuse]}
    manager = {
        "stat_prefix": "egress",
        "use_remote_address": True,  # whose pace it is: the connection's word counts, and no header's
        "skip_xff_append": True,
        "common_http_protocol_options": {"idle_timeout": f"{SILENT_SECONDS}s"},
        "request_headers_timeout": f"{SILENT_SECONDS}s",
        "stream_idle_timeout": "300s",
        "upgrade_configs": [{"upgrade_type": "CONNECT"}],
        "access_log": [_log()],
        "route_config": {"virtual_hosts": [*passage_names.hosts(names, {"pace": _pace()}), refused]},
        "http_filters": filters,
    }
    return _listener("proxy", PROXY_PORT, manager)


def _pace() -> dict[str, Any]:
    """Count each pod by itself."""
    always = {"default_value": {"numerator": 100}}
    return {
        "@type": FILTERS + PACING,
        "stat_prefix": "egress",
        "token_bucket": PACE.bucket,  # Envoy wants one for all together, and is told not to look at it
        "always_consume_default_token_bucket": False,
        "filter_enabled": always,
        "filter_enforced": always,
        "rate_limits": [{"actions": [{"remote_address": {}}]}],
        "descriptors": [{"entries": [{"key": "remote_address"}], "token_bucket": PACE.bucket}],
        "max_dynamic_descriptors": 4 * PODS,
    }


def _refuse_connect() -> dict[str, Any]:
    """Match CONNECT, which a prefix does not."""
    return {
        "match": {"connect_matcher": {}},
        "direct_response": {"status": 403, "body": {"inline_string": REFUSED}},
    }


def _counters() -> dict[str, Any]:
    """Show this Envoy's counters, and no other page of its administration."""
    route = {"match": {"path": "/stats/prometheus"}, "route": {"cluster": ADMINISTRATION}}
    manager = {
        "stat_prefix": "counters",
        "route_config": {"virtual_hosts": [{"name": "counters", "domains": ["*"], "routes": [route]}]},
        "http_filters": [_typed("router", "http.router.v3.Router", {})],
    }
    return _listener("counters", STATS_PORT, manager) | {"ignore_global_conn_limit": True}


def _listener(name: str, port: int, manager: dict[str, Any]) -> dict[str, Any]:
    kind = "network.http_connection_manager.v3.HttpConnectionManager"
    return {
        "name": name,
        "address": _address(EVERYWHERE, port),
        "per_connection_buffer_limit_bytes": 1 << 16,
        "filter_chains": [{"filters": [_typed("http", kind, manager)]}],
    }


def _overload() -> dict[str, Any]:
    kind = f"{TYPE}envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig"
    config = {"@type": kind, "max_active_downstream_connections": MOST_CONNECTIONS}
    name = "envoy.resource_monitors.global_downstream_max_connections"
    return {"resource_monitors": [{"name": name, "typed_config": config}]}


def _administration() -> dict[str, Any]:
    endpoint = {"endpoint": {"address": _address("127.0.0.1", ADMIN_PORT)}}
    return {
        "name": ADMINISTRATION,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": ADMINISTRATION, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _log() -> dict[str, Any]:
    kind = f"{TYPE}envoy.extensions.access_loggers.file.v3.FileAccessLog"
    form = {"json_format": LOG_FIELDS, "omit_empty_values": True}
    return {"name": "log", "typed_config": {"@type": kind, "path": "/dev/stdout", "log_format": form}}


def _typed(name: str, kind: str, config: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "typed_config": {"@type": FILTERS + kind} | config}


def _address(host: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": port}}
