"""What Envoy is started with and never changes: bootstrap.json. Pure."""

from typing import Any

from tritext_serve.endpoint.edge.clusters import ADMIN, FILTERS, TYPE, address, admin
from tritext_serve.endpoint.edge.listeners import HCM, file_source
from tritext_serve.endpoint.edge.model import Edge

# What may be read by whoever reaches the port; nothing that changes Envoy, and no configuration, which holds the keys.
PAGES = ("/stats", "/stats/prometheus", "/ready", "/server_info", "/clusters", "/listeners")
OWNER_ALONE = 0o600


def bootstrap(edge: Edge) -> dict[str, Any]:
    """Describe the process."""
    socket = f"{edge.directory}/{edge.admin_socket}"
    return {
        "node": {"id": edge.endpoint.name, "cluster": "tritext"},
        "admin": {"address": {"pipe": {"path": socket, "mode": OWNER_ALONE}}},
        "dynamic_resources": {"lds_config": file_source(edge, "lds.json"), "cds_config": file_source(edge, "cds.json")},
        "static_resources": {"clusters": [admin(socket)], "listeners": [_stats(edge)]},
        "layered_runtime": {
            "layers": [{"name": "static", "static_layer": {"re2": {"max_program_size": {"error_level": 1000}}}}]
        },
        "overload_manager": _overload(edge.limits.connections),
    }


def _stats(edge: Edge) -> dict[str, Any]:
    """Describe the listener of the read-only pages."""
    routes = [
        {
            "match": {"path": page, "headers": [{"name": ":method", "string_match": {"exact": "GET"}}]},
            "route": {"cluster": ADMIN, "timeout": "10s"},
        }
        for page in PAGES
    ]
    manager = {
        "@type": TYPE + HCM,
        "stat_prefix": "stats",
        "route_config": {"virtual_hosts": [{"name": "stats", "domains": ["*"], "routes": routes}]},
        "http_filters": [{"name": "router", "typed_config": {"@type": TYPE + FILTERS + "router.v3.Router"}}],
    }
    return {
        "name": "stats",
        "address": address(edge.stats_host, edge.admin_port),
        "enable_reuse_port": False,
        "ignore_global_conn_limit": True,
        "filter_chains": [{"filters": [{"name": "http_connection_manager", "typed_config": manager}]}],
    }


def _overload(connections: int) -> dict[str, Any]:
    config = {
        "@type": TYPE + "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
        "max_active_downstream_connections": connections,
    }
    return {
        "resource_monitors": [
            {"name": "envoy.resource_monitors.global_downstream_max_connections", "typed_config": config}
        ]
    }
