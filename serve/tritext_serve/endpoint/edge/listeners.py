"""Where clients connect and what every request passes: lds.json. Pure.

::

    socket ─► TLS ─► HTTP/1.1 or h2 ─► key ─► rate limit ─► whole body ─► Lua: is it what the route takes? ─► router
                     limits, path          429              413            400, 413, 415
"""

from typing import Any

from tritext_serve.endpoint.edge.access_log import access_log
from tritext_serve.endpoint.edge.clusters import COLLECTOR, FILTERS, MIRROR_HEADER, TYPE, address
from tritext_serve.endpoint.edge.model import Edge, Limits, Listener, Tls
from tritext_serve.endpoint.edge.replies import local_replies
from tritext_serve.endpoint.edge.routes import (
    BUFFER_FILTER,
    CLIENT_HEADER,
    KEY_FILTER,
    LIMIT_FILTER,
    LUA_FILTER,
    ROUTES,
)
from tritext_serve.endpoint.edge.script import script
from tritext_serve.endpoint.edge.telemetry import request_counter, tracer, upstream_filters

STAT_PREFIX = "edge"
ID_LENGTH = 128
H2_STREAM_WINDOW, H2_CONNECTION_WINDOW = 64 << 10, 1 << 20
CONNECTION_BUFFER = 32 << 10


def listeners(edge: Edge) -> list[dict[str, Any]]:
    """Describe every listener."""
    return [_listener(edge, listener, number) for number, listener in enumerate(edge.listeners)]


def _listener(edge: Edge, listener: Listener, number: int) -> dict[str, Any]:
    chain: dict[str, Any] = {
        "filters": [_typed("http_connection_manager", HCM, manager(edge, listener.tls is not None))]
    }
    if listener.tls is not None:
        chain["transport_socket"] = _tls(listener.tls)
    return {
        "@type": TYPE + "envoy.config.listener.v3.Listener",
        "name": f"edge_{number}",
        "address": _address(listener),
        "enable_reuse_port": False,  # else a second edge would take half of the connections, and no error be seen
        "per_connection_buffer_limit_bytes": CONNECTION_BUFFER,
        "filter_chains": [chain],
    }


def _address(listener: Listener) -> dict[str, Any]:
    written = address(listener.host, listener.port)
    if listener.namespace:
        written["socket_address"]["network_namespace_filepath"] = listener.namespace
    return written


HCM = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"


def manager(edge: Edge, tls: bool) -> dict[str, Any]:
    """Describe what reads HTTP from a connection."""
    limits = edge.limits
    config = {
        "stat_prefix": STAT_PREFIX,
        "codec_type": "AUTO",
        "server_name": "tritext",
        "rds": {"route_config_name": ROUTES, "config_source": file_source(edge, "rds.json")},
        "http_filters": filters(edge),
        "access_log": [*access_log(edge), request_counter()],
        "local_reply_config": local_replies(),
        "tracing": tracer(edge.tracing, COLLECTOR) if edge.tracing is not None else None,
        "scheme_header_transformation": {"scheme_to_overwrite": "https" if tls else "http"},
        **_limits(limits),
        **_paths(),
        **_identities(),
    }
    return {key: value for key, value in config.items() if value is not None}


def file_source(edge: Edge, name: str) -> dict[str, Any]:
    """Describe a file that Envoy reads, and reads again when another is renamed to its name."""
    return {"path_config_source": {"path": f"{edge.directory}/{name}"}, "resource_api_version": "V3"}


def filters(edge: Edge) -> list[dict[str, Any]]:
    """Describe what a request passes, in order."""
    limits = edge.limits
    found = [_typed(KEY_FILTER, FILTERS + "api_key_auth.v3.ApiKeyAuth", _key_source())]
    if limits.requests_per_second is not None:
        found.append(_typed(LIMIT_FILTER, FILTERS + "local_ratelimit.v3.LocalRateLimit", _rate_limit(limits)))
    router = {"upstream_http_filters": upstream_filters()} if edge.tracing is not None else {}
    found += [
        _typed(BUFFER_FILTER, FILTERS + "buffer.v3.Buffer", {"max_request_bytes": limits.body_bytes}),
        _typed(LUA_FILTER, FILTERS + "lua.v3.Lua", {"default_source_code": {"inline_string": script(limits)}}),
        _typed("router", FILTERS + "router.v3.Router", router),
    ]
    return found


def _limits(limits: Limits) -> dict[str, Any]:
    return {
        "max_request_headers_kb": limits.headers_kib,
        "request_headers_timeout": _seconds(limits.headers_seconds),
        "request_timeout": _seconds(limits.body_seconds),
        "stream_idle_timeout": "300s",
        "drain_timeout": f"{limits.drain_seconds}s",
        "delayed_close_timeout": "1s",
        "common_http_protocol_options": {
            "idle_timeout": _seconds(limits.idle_seconds),
            "max_headers_count": limits.headers_count,
            "headers_with_underscores_action": "REJECT_REQUEST",
        },
        "http2_protocol_options": {
            "max_concurrent_streams": limits.streams,
            "initial_stream_window_size": H2_STREAM_WINDOW,
            "initial_connection_window_size": H2_CONNECTION_WINDOW,
        },
    }


def _paths() -> dict[str, Any]:
    return {
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        "strip_any_host_port": True,
    }


def _identities() -> dict[str, Any]:
    """Keep a client's request id if it is not too long, else make one; let nobody claim to be a client."""
    cut = {
        "header": {"key": "x-request-id", "value": f"%REQ(x-request-id):{ID_LENGTH}%"},
        "append_action": "OVERWRITE_IF_EXISTS",
    }
    # Envoy believes these of any client in a private network, and they change time limits and retries.
    envoys = {"remove_on_match": {"key_matcher": {"prefix": "x-envoy-", "ignore_case": True}}}
    ours = [{"remove": name} for name in (CLIENT_HEADER, MIRROR_HEADER)]
    mutation = {"mutations": [envoys, *ours, {"append": cut}]}
    kind = "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation"
    uuid = {
        "@type": TYPE + "envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig",
        "pack_trace_reason": False,
        "use_request_id_for_trace_sampling": False,
    }
    return {
        "use_remote_address": True,
        "generate_request_id": True,
        "preserve_external_request_id": True,
        "always_set_request_id_in_response": True,
        "request_id_extension": {"typed_config": uuid},
        "early_header_mutation_extensions": [
            _typed("envoy.http.early_header_mutation.header_mutation", kind, mutation)
        ],
    }


def _key_source() -> dict[str, Any]:
    return {"key_sources": [{"header": "Authorization"}]}


def _rate_limit(limits: Limits) -> dict[str, Any]:
    """Give each client's name a bucket of its own, and requests without a key none."""
    per_second = limits.requests_per_second
    bucket = {"max_tokens": limits.burst or per_second, "tokens_per_fill": per_second, "fill_interval": "1s"}
    everybody = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
    return {
        "stat_prefix": "keys",
        "token_bucket": {"max_tokens": 1_000_000_000, "tokens_per_fill": 1_000_000_000, "fill_interval": "1s"},
        "filter_enabled": everybody,
        "filter_enforced": everybody,
        "rate_limits": [{"actions": [{"request_headers": {"header_name": CLIENT_HEADER, "descriptor_key": "client"}}]}],
        "descriptors": [{"entries": [{"key": "client"}], "token_bucket": bucket}],
        "rate_limited_as_resource_exhausted": True,
    }


def _tls(tls: Tls) -> dict[str, Any]:
    pair = {"certificate_chain": {"filename": str(tls.certificate)}, "private_key": {"filename": str(tls.key)}}
    common = {
        "alpn_protocols": ["h2", "http/1.1"],
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
        "tls_certificates": [pair],
    }
    kind = "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
    return _typed("envoy.transport_sockets.tls", kind, {"common_tls_context": common})


def _typed(name: str, kind: str, config: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "typed_config": {"@type": TYPE + kind} | config}


def _seconds(seconds: float) -> str:
    return f"{seconds:g}s"
