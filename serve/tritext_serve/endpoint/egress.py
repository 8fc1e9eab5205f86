"""The way out: an Envoy that lets deployments reach allowed names and nothing else. Pure: rules in, its file out.

::

    deployment ── who is storage.example? ──► UDP 53: a fixed table; the answer is the egress's own address
               ── TLS, SNI storage.example ─► TCP 443: a chain for each allowed name ──► resolved here, passed on
               ── TLS, SNI evil.example ────► no chain: closed, and logged with the flag NR

Nothing is decrypted, so what counts is the name in the handshake; a Host header inside is not seen. Names that are not
in the table are not asked of anybody, so that no text leaves in a question.
"""

import json
from dataclasses import dataclass
from typing import Any

ADMIN_PORT = 9901
STATS_PORT = 9902
DNS_PORT = 53
DNS_TTL_SECONDS = 30
CONNECT_SECONDS = 5
IDLE_SECONDS = 300
TYPES = "type.googleapis.com/envoy.extensions"
CLUSTER = "anywhere-allowed"
# The same in the filters and in the cluster, or Envoy refuses the file. getaddrinfo honours /etc/hosts.
RESOLVER = {
    "name": "egress",
    "dns_lookup_family": "V4_ONLY",
    "max_hosts": 256,
    "typed_dns_resolver_config": {
        "name": "envoy.network.dns_resolver.getaddrinfo",
        "typed_config": {"@type": f"{TYPES}.network.dns_resolver.getaddrinfo.v3.GetAddrInfoDnsResolverConfig"},
    },
}
LOG_FIELDS = {
    "time": "%START_TIME%",
    "doorway": "%DOWNSTREAM_LOCAL_ADDRESS%",
    "from": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "name": "%REQUESTED_SERVER_NAME%",
    "to": "%UPSTREAM_HOST%",
    "flags": "%RESPONSE_FLAGS%",
    "details": "%CONNECTION_TERMINATION_DETAILS%",
    "sent": "%BYTES_RECEIVED%",
    "received": "%BYTES_SENT%",
    "ms": "%DURATION%",
}


@dataclass(frozen=True, slots=True)
class Allowed:
    """A name that may be reached.

    Attributes:
        host: The name; a leading ``*.`` stands for every name below it, but not for the rest by itself.
        ports: TCP ports, on which TLS is spoken.
    """

    host: str
    ports: tuple[int, ...] = (443,)


@dataclass(frozen=True, slots=True)
class Doorway:
    """Where one deployment comes in.

    Attributes:
        deployment: Whose it is.
        address: The egress's address on the link to that deployment.
        allowed: What it may reach.
    """

    deployment: str
    address: str
    allowed: tuple[Allowed, ...]


@dataclass(frozen=True, slots=True)
class Egress:
    """What the egress proxy does.

    Attributes:
        doorways: One a deployment.
        log_path: Where each connection becomes a line of JSON.
        stats_address: Where Prometheus may read counters, and nothing else of the administration; None for nowhere.
    """

    doorways: tuple[Doorway, ...]
    log_path: str = "/dev/stdout"
    stats_address: str | None = None


def render(egress: Egress) -> dict[str, str]:
    """Write Envoy's configuration.

    Returns:
        JSON text by file name; ``egress.json`` is the only one, and no other file is needed.
    """
    listeners = [each for doorway in egress.doorways for each in _doorway(doorway, egress.log_path)]
    clusters: list[dict[str, Any]] = [_forwarder()]
    if egress.stats_address:
        listeners.append(stats_listener(egress.stats_address, STATS_PORT))
        clusters.append(admin_cluster(ADMIN_PORT))
    bootstrap = {
        "admin": {"address": socket_address("127.0.0.1", ADMIN_PORT)},
        "static_resources": {"listeners": listeners, "clusters": clusters},
    }
    return {"egress.json": json.dumps(bootstrap, indent=1) + "\n"}


def socket_address(address: str, port: int, protocol: str = "TCP") -> dict[str, Any]:
    """Write an address as Envoy wants it."""
    return {"socket_address": {"protocol": protocol, "address": address, "port_value": port}}


def stats_listener(address: str, port: int) -> dict[str, Any]:
    """Show the counters of this Envoy, and no other page of its administration."""
    route = {"match": {"path": "/stats/prometheus"}, "route": {"cluster": "administration"}}
    manager = {
        "@type": f"{TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "stats",
        "route_config": {"virtual_hosts": [{"name": "stats", "domains": ["*"], "routes": [route]}]},
        "http_filters": [{"name": "router", "typed_config": {"@type": f"{TYPES}.filters.http.router.v3.Router"}}],
    }
    return {
        "name": "stats",
        "address": socket_address(address, port),
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }


def admin_cluster(port: int) -> dict[str, Any]:
    """Describe where this Envoy's own administration answers."""
    endpoint = {"endpoint": {"address": socket_address("127.0.0.1", port)}}
    return {
        "name": "administration",
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": "administration", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _doorway(doorway: Doorway, log_path: str) -> list[dict[str, Any]]:
    """Write a listener for each port, and the table of names."""
    ports = sorted({port for allowed in doorway.allowed for port in allowed.ports})
    return [*(_tls_listener(doorway, port, log_path) for port in ports), _name_table(doorway)]


def _tls_listener(doorway: Doorway, port: int, log_path: str) -> dict[str, Any]:
    names = sorted({allowed.host for allowed in doorway.allowed if port in allowed.ports})
    inspector = {"@type": f"{TYPES}.filters.listener.tls_inspector.v3.TlsInspector"}
    return {
        "name": f"{doorway.deployment}-{port}",
        "address": socket_address(doorway.address, port),
        "listener_filters": [{"name": "tls_inspector", "typed_config": inspector}],
        "listener_filters_timeout": "5s",
        "per_connection_buffer_limit_bytes": 1 << 16,
        "filter_chains": [
            {"filter_chain_match": {"server_names": names}, "filters": _pass_on(doorway, port, log_path)}
        ],
        # A connection that no chain takes ends here; those that one takes are logged by it.
        "access_log": [_log(log_path) | {"filter": {"response_flag_filter": {"flags": ["NR"]}}}],
    }


def _pass_on(doorway: Doorway, port: int, log_path: str) -> list[dict[str, Any]]:
    sni = {
        "@type": f"{TYPES}.filters.network.sni_dynamic_forward_proxy.v3.FilterConfig",
        "port_value": port,
        "dns_cache_config": RESOLVER,
    }
    proxy = {
        "@type": f"{TYPES}.filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": f"egress_{doorway.deployment}",
        "cluster": CLUSTER,
        "idle_timeout": f"{IDLE_SECONDS}s",
        "access_log": [_log(log_path)],
    }
    return [{"name": "sni", "typed_config": sni}, {"name": "tcp", "typed_config": proxy}]


def _name_table(doorway: Doorway) -> dict[str, Any]:
    """Answer with this doorway's address for every allowed name; what is not in the table does not exist."""
    domains = [
        {
            "name": host,
            "endpoint": {"address_list": {"address": [doorway.address]}},
            "answer_ttl": f"{DNS_TTL_SECONDS}s",
        }
        for host in sorted({allowed.host for allowed in doorway.allowed})
    ]
    table = {
        "@type": f"{TYPES}.filters.udp.dns_filter.v3.DnsFilterConfig",
        "stat_prefix": f"names_{doorway.deployment}",
        "server_config": {"inline_dns_table": {"virtual_domains": domains}},  # no client_config: nobody else is asked
    }
    return {
        "name": f"{doorway.deployment}-names",
        "address": socket_address(doorway.address, DNS_PORT, "UDP"),
        "listener_filters": [{"name": "names", "typed_config": table}],
    }


def _forwarder() -> dict[str, Any]:
    forwarder = {
        "@type": f"{TYPES}.clusters.dynamic_forward_proxy.v3.ClusterConfig",
        "dns_cache_config": RESOLVER,
    }
    return {
        "name": CLUSTER,
        "lb_policy": "CLUSTER_PROVIDED",
        "connect_timeout": f"{CONNECT_SECONDS}s",
        "cluster_type": {"name": "names", "typed_config": forwarder},
    }


def _log(path: str) -> dict[str, Any]:
    # Omitting empty values keeps a denied connection's line short.
    return {
        "name": "log",
        "typed_config": {
            "@type": f"{TYPES}.access_loggers.file.v3.FileAccessLog",
            "path": path,
            "log_format": {"json_format": LOG_FIELDS, "omit_empty_values": True},
        },
    }
