"""The last step of the way out: an allowed name in, a connection to an address outside out, or none. Pure.

::

    a doorway ── CONNECT NAME:PORT ──► listener within Envoy ──► a cluster a name, a host an address ──► the internet
      └─ too many connections: closed                            └─ an address inside: 403, and no packet is sent

Envoy's shorter way, which takes the name from the handshake and connects at once, looks at the first address of a name
alone, and goes on to the next where the first does not answer. Here every address is judged when it is chosen, also
when it is chosen because another has failed.

What one deployment may use up is bounded by itself: connections before a word is said on them (``rooms``), those that
pass, and names below wildcards (``pace``).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tritext_serve.endpoint import passage_names
from tritext_serve.endpoint.passage_names import TYPES, Pace

# The listener within and the clusters that lead to it.
PASSAGE = "passage"
# Where no allowed name may lead: this host, private and shared networks, a provider's metadata, Azure's own channel to
# its machines, tests of devices, everybody at once. What is kept for examples is not among them: it stands for the
# internet in tests.
INSIDE = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32", "169.254.0.0/16", "172.16.0.0/12",
    "192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4",
)  # fmt: skip
IDLE_SECONDS = 300
# A connection within Envoy carries many: a reader who is slow holds up its own stream and no other, as the connection's
# window has room for every stream's.
MOST_STREAMS, STREAM_WINDOW = 256, 1 << 18
WINDOWS = {
    "max_concurrent_streams": MOST_STREAMS,
    "initial_stream_window_size": STREAM_WINDOW,
    "initial_connection_window_size": MOST_STREAMS * STREAM_WINDOW,
}
# Of one deployment at a time, before the handshake and after it: one that holds as many leaves the others theirs.
MOST_CONNECTIONS = 1024
# Likewise, to names below wildcards.
PACE = Pace(burst=128, per_second=4)
# What a doorway knows of a connection and the listener within does not.
TOLD = {
    "x-doorway": "%DOWNSTREAM_LOCAL_ADDRESS%",
    "x-from": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "x-name": "%REQUESTED_SERVER_NAME%",
}
LOG_FIELDS = {
    "time": "%START_TIME%",
    "doorway": "%REQ(x-doorway)%",
    "from": "%REQ(x-from)%",
    "name": "%REQ(x-name)%",
    "to": "%UPSTREAM_HOST%",
    "flags": "%RESPONSE_FLAGS%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "sent": "%BYTES_RECEIVED%",
    "received": "%BYTES_SENT%",
    "ms": "%DURATION%",
}
EXTENSION = {
    "name": "envoy.bootstrap.internal_listener",
    "typed_config": {"@type": f"{TYPES}.bootstrap.internal_listener.v3.InternalListener"},
}


def entrance(deployment: str, port: int) -> dict[str, Any]:
    """Tell a TCP proxy to pass a connection on to the name in its handshake.

    Args:
        deployment: Whose connection it is.
        port: Of the name's host.
    """
    told = [{"header": {"key": key, "value": value}} for key, value in TOLD.items()]
    return {
        "cluster": _way_in(deployment),
        "tunneling_config": {"hostname": f"%REQUESTED_SERVER_NAME%:{port}", "headers_to_add": told},
    }


def pace(deployment: str) -> dict[str, Any]:
    """Describe the filter that closes what asks for names below wildcards too fast."""
    config = {
        "@type": f"{TYPES}.filters.network.local_ratelimit.v3.LocalRateLimit",
        "stat_prefix": f"egress_{deployment}",
        "token_bucket": PACE.bucket,
        "share_key": deployment,  # one bucket for all of its ports
    }
    return {"name": "pace", "typed_config": config}


def rooms(listeners: Sequence[str]) -> dict[str, Any]:
    """Bound what each doorway's listener holds from the moment that it is accepted, silent or not, by its name."""
    bounds = {f"envoy.resource_limits.listener.{name}.connection_limit": MOST_CONNECTIONS for name in listeners}
    return {"layers": [{"name": "rooms", "static_layer": bounds}]}


def listener(names: Sequence[str], nowhere: Sequence[str], log: Mapping[str, Any]) -> dict[str, Any]:
    """Describe the listener within, which resolves names and connects.

    Args:
        names: What any doorway allows, as ``name:port``.
        nowhere: Prefixes to which it does not connect.
        log: Where each connection becomes a line.
    """
    manager = {
        "@type": f"{TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": PASSAGE,
        "codec_type": "HTTP2",
        "http2_protocol_options": WINDOWS,
        "stream_idle_timeout": f"{IDLE_SECONDS}s",
        "upgrade_configs": [{"upgrade_type": "CONNECT"}],
        "route_config": {"virtual_hosts": passage_names.hosts(names)},
        "http_filters": [passage_names.resolve(), _connect(nowhere)],
        "access_log": [log],
    }
    return {
        "name": PASSAGE,
        "internal_listener": {},
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }


def clusters(deployments: Sequence[str], names: Sequence[str]) -> list[dict[str, Any]]:
    """Describe each deployment's way to the listener within, and what makes a cluster for each name."""
    breakers = _breakers(MOST_CONNECTIONS * len(deployments))
    return [*map(_entry, deployments), *passage_names.clusters(names, PACE.names * len(deployments), breakers)]


def _way_in(deployment: str) -> str:
    return f"{PASSAGE}-{deployment}"


def _entry(deployment: str) -> dict[str, Any]:
    name = _way_in(deployment)
    options = {
        "@type": f"{TYPES}.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": WINDOWS},
    }
    within = {"endpoint": {"address": {"envoy_internal_address": {"server_listener_name": PASSAGE}}}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "circuit_breakers": _breakers(MOST_CONNECTIONS),
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [within]}]},
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options},
    }


def _breakers(most: int) -> dict[str, Any]:
    counted = ("max_connections", "max_pending_requests", "max_requests")
    return {"thresholds": [dict.fromkeys(counted, most)]}


def _connect(nowhere: Sequence[str]) -> dict[str, Any]:
    """Connect to the address that was chosen, if it may be."""
    codec = {
        "name": "envoy.filters.http.upstream_codec",
        "typed_config": {"@type": f"{TYPES}.filters.http.upstream_codec.v3.UpstreamCodec"},
    }
    # By this name it is asked when an address has been chosen; by another, before.
    barred = [{"name": "envoy.filters.http.upstream_rbac", "typed_config": _bar(nowhere)}] if nowhere else []
    kind = f"{TYPES}.filters.http.router.v3.Router"
    return {"name": "router", "typed_config": {"@type": kind, "upstream_http_filters": [*barred, codec]}}


def _bar(prefixes: Sequence[str]) -> dict[str, Any]:
    matcher = f"{TYPES}.rbac.matchers.upstream_ip_port.v3.UpstreamIpPortMatcher"
    ranges = [prefix.split("/") for prefix in prefixes]
    permissions = [
        {
            "matcher": {
                "name": "upstream",
                "typed_config": {
                    "@type": matcher,
                    "upstream_ip": {"address_prefix": address, "prefix_len": int(length)},
                },
            }
        }
        for address, length in ranges
    ]
    policy = {"permissions": permissions, "principals": [{"any": True}]}
    return {
        "@type": f"{TYPES}.filters.http.rbac.v3.RBAC",
        "rules": {"action": "DENY", "policies": {"nowhere": policy}},
    }
