"""Where requests go: a cluster for each deployment and protocol, with its health and its limits. Pure."""

from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from tritext_serve.endpoint.edge.model import Edge
from tritext_serve.endpoint.model import Deployment, Endpoint, Upstream

HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
FILTERS = "envoy.extensions.filters.http."
TYPE = "type.googleapis.com/"
# Where a deployment's file sets no limit the front's own queue does; this is what Envoy may hold all the same.
UNSET_IN_FLIGHT = 1024
# On a copy of a request: what it is to be asked instead. Clients cannot set it.
MIRROR_HEADER = "x-tritext-mirror-path"
LUA = Path(__file__).parent / "lua"
COLLECTOR, ADMIN = "otlp_collector", "envoy_admin"
CONNECT_SECONDS = "1s"
HEALTH_SECONDS = "1s"
# Answers in a row that may be missing; a 503 counts at once. Silence says that the supervisor or the machine is busy,
# and nothing of the Tritons, all of which it is asked about: who does not connect or gives 500s is soon an outlier.
MOST_SILENT = 5
# Shorter than Triton keeps an idle connection, so that it is Envoy that closes it.
IDLE_SECONDS = "50s"


def cluster_name(deployment: str, *, grpc: bool = False) -> str:
    """Name a deployment's cluster, as metrics and the access log show it."""
    return f"{deployment}_grpc" if grpc else deployment


def clusters(edge: Edge) -> list[dict[str, Any]]:
    """Describe every cluster that routes may name, and the collector of traces."""
    found = []
    for name, deployment in edge.endpoint.deployments.items():
        upstreams = [upstream for upstream in edge.upstreams if upstream.deployment == name]
        found += [_cluster(deployment, upstreams, grpc=grpc) for grpc in (False, True)]
        if renames(edge.endpoint, deployment):
            found[-2]["typed_extension_protocol_options"][HTTP_OPTIONS]["http_filters"] = _renaming()
    if edge.tracing is not None:
        found.append(_collector(edge.tracing.host, edge.tracing.port))
    return found


def renames(endpoint: Endpoint, candidate: Deployment) -> bool:
    """Whether requests that are copied to a deployment must be asked of another model there."""
    if not endpoint.mirror_traffic.get(candidate.name):
        return False
    live = (endpoint.deployments[name] for name, weight in endpoint.traffic.items() if weight)
    return any((each.model, each.variants) != (candidate.model, candidate.variants) for each in live)


def in_flight(deployment: Deployment) -> int:
    """How many requests of one protocol may be with a deployment at once; Azure takes twice what it can work on."""
    each = deployment.request_settings.max_concurrent_requests_per_instance
    return UNSET_IN_FLIGHT if each is None else 2 * each * deployment.instance_count


def admin(socket: str) -> dict[str, Any]:
    """Describe the way to Envoy's own administration, for the read-only pages."""
    return {
        "name": ADMIN,
        "type": "STATIC",
        "connect_timeout": CONNECT_SECONDS,
        "load_assignment": {
            "cluster_name": ADMIN,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"pipe": {"path": socket}}}}]}],
        },
    }


def _cluster(deployment: Deployment, upstreams: list[Upstream], *, grpc: bool) -> dict[str, Any]:
    name = cluster_name(deployment.name, grpc=grpc)
    return {
        "name": name,
        "type": _discovery(upstream.host for upstream in upstreams),
        "connect_timeout": CONNECT_SECONDS,
        "lb_policy": "LEAST_REQUEST",
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [_instance(upstream, grpc=grpc) for upstream in upstreams]}],
        },
        "health_checks": [_health_check(deployment.name, upstreams)],
        "outlier_detection": _outlier_detection(),
        "circuit_breakers": {"thresholds": [_thresholds(in_flight(deployment))]},
        "typed_extension_protocol_options": {HTTP_OPTIONS: _protocol(grpc=grpc)},
    }


def _renaming() -> list[dict[str, Any]]:
    """Ask a copy's own model: a mirror policy can set headers, but not the path."""
    script = (LUA / "mirror.lua").read_text(encoding="utf-8")
    lua = {"@type": TYPE + FILTERS + "lua.v3.Lua", "default_source_code": {"inline_string": script}}
    codec = {"@type": TYPE + FILTERS + "upstream_codec.v3.UpstreamCodec"}
    return [{"name": "lua", "typed_config": lua}, {"name": "upstream_codec", "typed_config": codec}]


def _discovery(hosts: Iterable[str]) -> str:
    return "STATIC" if all(map(_is_address, hosts)) else "STRICT_DNS"


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _instance(upstream: Upstream, *, grpc: bool) -> dict[str, Any]:
    health: dict[str, Any] = {"port_value": upstream.health, "hostname": f"{upstream.number}.{upstream.deployment}"}
    if upstream.health_host is not None:
        health["address"] = address(upstream.health_host, upstream.health)
    port = upstream.grpc if grpc else upstream.http
    return {"endpoint": {"address": address(upstream.host, port), "health_check_config": health}}


def address(host: str, port: int) -> dict[str, Any]:
    """Write an address as Envoy takes it."""
    return {"socket_address": {"address": host, "port_value": port}}


def _health_check(deployment: str, upstreams: list[Upstream]) -> dict[str, Any]:
    """Ask the supervisor, not Triton, whose readiness does not see a dead backend.

    Envoy has one path a cluster: of several instances it tells one from the other by the Host header.
    """
    path = f"/health/{deployment}/{upstreams[0].number}" if len(upstreams) == 1 else f"/health/{deployment}"
    return {
        "timeout": HEALTH_SECONDS,
        "interval": HEALTH_SECONDS,
        "no_traffic_interval": HEALTH_SECONDS,
        "unhealthy_threshold": MOST_SILENT,
        "healthy_threshold": 1,
        "always_log_health_check_failures": False,
        "http_health_check": {"path": path},
    }


def _outlier_detection() -> dict[str, Any]:
    """Leave out for a moment what resets, does not connect or gives 500s; a full queue's 503 is no sign of illness."""
    return {
        "split_external_local_origin_errors": True,
        "consecutive_5xx": 5,
        "consecutive_local_origin_failure": 5,
        "enforcing_consecutive_gateway_failure": 0,
        "enforcing_success_rate": 0,
        "enforcing_local_origin_success_rate": 0,
        "interval": "1s",
        "base_ejection_time": "2s",
        "max_ejection_time": "10s",
        # All but the last: who is too slow in an overload would else make it none; the supervisor judges that one.
        "max_ejection_percent": 99,
    }


def _thresholds(requests: int) -> dict[str, Any]:
    """Bound what is in flight; connections are not what is scarce, so that a request never waits for one."""
    return {
        "max_requests": requests,
        "max_pending_requests": requests,
        "max_connections": 2 * requests + 16,
        "max_retries": requests,
        "track_remaining": True,
    }


def _protocol(*, grpc: bool) -> dict[str, Any]:
    explicit: dict[str, Any] = {"http2_protocol_options": {}} if grpc else {"http_protocol_options": {}}
    failed = {"name": ":status", "string_match": {"exact": "500"}}
    return {
        "@type": TYPE + HTTP_OPTIONS,
        "outlier_detection": {"error_matcher": {"http_response_headers_match": {"headers": [failed]}}},
        "common_http_protocol_options": {"idle_timeout": IDLE_SECONDS},
        "explicit_http_config": explicit,
    }


def _collector(host: str, port: int) -> dict[str, Any]:
    return {
        "name": COLLECTOR,
        "type": _discovery([host]),
        "connect_timeout": CONNECT_SECONDS,
        "load_assignment": {
            "cluster_name": COLLECTOR,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(host, port)}}]}],
        },
        "typed_extension_protocol_options": {HTTP_OPTIONS: _protocol(grpc=True)},
    }
