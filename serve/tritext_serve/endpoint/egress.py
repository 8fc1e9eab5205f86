"""The way out: an Envoy that lets deployments reach allowed names and nothing else. Pure: rules in, its file out.

::

    deployment ── who is storage.example? ──► UDP 53: a fixed table; the answer is the egress's own address
               ── TLS, SNI storage.example ─► TCP 443: a chain for each allowed name ──► `passage` ──► its address
               ── TLS, SNI evil.example ────► no chain: closed, and logged with the flag NR

Nothing is decrypted, so what counts is the name in the handshake; a Host header inside is not seen. Names that are not
in the table are not asked of anybody, so that no text leaves in a question. An allowed name that has an address inside
leads nowhere (`passage`).
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tritext_serve.endpoint import passage
from tritext_serve.endpoint.passage_names import TYPES, is_wildcard

ADMIN_PORT = 9901
STATS_PORT = 9902
DNS_PORT = 53
DNS_TTL_SECONDS = 30
# Of a connection that no chain takes.
LOG_FIELDS = {
    "time": "%START_TIME%",
    "doorway": "%DOWNSTREAM_LOCAL_ADDRESS%",
    "from": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "name": "%REQUESTED_SERVER_NAME%",
    "flags": "%RESPONSE_FLAGS%",
    "details": "%CONNECTION_TERMINATION_DETAILS%",
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
        namespace: File of the network in which it listens; "" for that in which it runs.
        admin_socket: Unix socket of its administration; "" for a port on loopback.
        nowhere: Prefixes to which nothing is passed on, whatever addresses an allowed name has.
    """

    doorways: tuple[Doorway, ...]
    log_path: str = "/dev/stdout"
    stats_address: str | None = None
    namespace: str = ""
    admin_socket: str = ""
    nowhere: tuple[str, ...] = passage.INSIDE


def render(egress: Egress) -> dict[str, str]:
    """Write Envoy's configuration.

    Returns:
        JSON text by file name; ``egress.json`` is the only one, and no other file is needed.
    """
    listeners = [each for doorway in egress.doorways for each in _doorway(doorway, egress)]
    rooms = passage.rooms([_listener_name(each, port) for each in egress.doorways for port in _ports(each)])
    clusters: list[dict[str, Any]] = []
    if egress.doorways:
        names = _names(egress.doorways)
        listeners.append(passage.listener(names, egress.nowhere, _log(egress.log_path, passage.LOG_FIELDS)))
        clusters += passage.clusters([doorway.deployment for doorway in egress.doorways], names)
    if egress.stats_address:
        listeners.append(stats_listener(egress.stats_address, STATS_PORT))
        clusters.append(admin_cluster(ADMIN_PORT))
    pipe = {"pipe": {"path": egress.admin_socket, "mode": 0o600}}
    bootstrap = {
        "admin": {"address": pipe if egress.admin_socket else socket_address("127.0.0.1", ADMIN_PORT)},
        "bootstrap_extensions": [passage.EXTENSION],
        "layered_runtime": rooms,
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


def _doorway(doorway: Doorway, egress: Egress) -> list[dict[str, Any]]:
    """Write a listener for each port, and the table of names."""
    listeners = [*(_tls_listener(doorway, port, egress) for port in _ports(doorway)), _name_table(doorway)]
    if egress.namespace:
        for listener in listeners:
            listener["address"]["socket_address"]["network_namespace_filepath"] = egress.namespace
    return listeners


def _ports(doorway: Doorway) -> list[int]:
    return sorted({port for allowed in doorway.allowed for port in allowed.ports})


def _names(doorways: Iterable[Doorway]) -> list[str]:
    """List what any of them allows, as ``name:port``."""
    allowed = {allowed for doorway in doorways for allowed in doorway.allowed}
    return sorted({f"{each.host.lower()}:{port}" for each in allowed for port in each.ports})


def _listener_name(doorway: Doorway, port: int) -> str:
    return f"{doorway.deployment}-{port}"


def _tls_listener(doorway: Doorway, port: int, egress: Egress) -> dict[str, Any]:
    inspector = {"@type": f"{TYPES}.filters.listener.tls_inspector.v3.TlsInspector"}
    return {
        "name": _listener_name(doorway, port),
        "address": socket_address(doorway.address, port),
        "listener_filters": [{"name": "tls_inspector", "typed_config": inspector}],
        "listener_filters_timeout": "5s",
        "per_connection_buffer_limit_bytes": 1 << 16,
        "filter_chains": _chains(doorway, port),
        # A connection that no chain takes ends here; those that one takes are logged where they pass.
        "access_log": [_log(egress.log_path, LOG_FIELDS) | {"filter": {"response_flag_filter": {"flags": ["NR"]}}}],
    }


def _chains(doorway: Doorway, port: int) -> list[dict[str, Any]]:
    """Take what is allowed, and what lies below a wildcard no faster than the names can be remembered."""
    names = sorted({allowed.host.lower() for allowed in doorway.allowed if port in allowed.ports})
    onwards = _pass_on(doorway, port)
    kinds = (
        ([name for name in names if not is_wildcard(name)], [onwards]),
        ([name for name in names if is_wildcard(name)], [passage.pace(doorway.deployment), onwards]),
    )
    return [{"filter_chain_match": {"server_names": of}, "filters": filters} for of, filters in kinds if of]


def _pass_on(doorway: Doorway, port: int) -> dict[str, Any]:
    proxy = {
        "@type": f"{TYPES}.filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": f"egress_{doorway.deployment}",
        "idle_timeout": f"{passage.IDLE_SECONDS}s",
        **passage.entrance(doorway.deployment, port),
    }
    return {"name": "tcp", "typed_config": proxy}


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


def _log(path: str, fields: Mapping[str, str]) -> dict[str, Any]:
    # Omitting empty values keeps a denied connection's line short.
    return {
        "name": "log",
        "typed_config": {
            "@type": f"{TYPES}.access_loggers.file.v3.FileAccessLog",
            "path": path,
            "log_format": {"json_format": dict(fields), "omit_empty_values": True},
        },
    }
