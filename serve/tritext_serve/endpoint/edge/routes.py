"""Which request goes where: rds.json, and in it the keys, so that one file shifts traffic and rotates keys. Pure.

A request that names a deployment gets that one; every other is drawn by the traffic's weights. Envoy draws one number a
request and compares it with each route's fraction, so cumulative fractions give each deployment exactly its share, and
a deployment can keep its own time limit, model and mirror, which ``weighted_clusters`` does not allow.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path as File
from typing import Any

from tritext_serve.endpoint.edge.clusters import MIRROR_HEADER, TYPE, cluster_name
from tritext_serve.endpoint.edge.model import Edge
from tritext_serve.endpoint.edge.paths import PAGE, Path, paths, target
from tritext_serve.endpoint.edge.refusals import ERROR_HEADER, JSON_TYPE, REFUSALS, RETRY_SECONDS, body
from tritext_serve.endpoint.model import Deployment, Endpoint

ROUTES = "endpoint"
TARGET_HEADER = "azureml-model-deployment"
CLIENT_HEADER = "x-tritext-client"
KEY_FILTER, LUA_FILTER, BUFFER_FILTER = "api_key_auth", "lua", "buffer"
LIMIT_FILTER = "local_ratelimit"
PAGES = File(__file__).parent / "pages"
PAGE_BYTES = 1 << 20
# The playground loads nothing from elsewhere, and nobody may frame it.
PAGE_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# Only what never reached a Triton is sent again, and to another one if there is one. A dead one is the least busy of
# all: of two, the living one comes up in a quarter of the draws, so that there are many.
RETRY = {
    "retry_on": "connect-failure,refused-stream",
    "num_retries": 2,
    "host_selection_retry_max_attempts": "32",
    "retry_host_predicate": [
        {
            "name": "envoy.retry_host_predicates.previous_hosts",
            "typed_config": {"@type": TYPE + "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"},
        }
    ],
}
_OFF = {"@type": TYPE + "envoy.config.route.v3.FilterConfig", "disabled": True}

Route = dict[str, Any]


def routes(edge: Edge) -> dict[str, Any]:
    """Describe every route, in the order in which Envoy tries them."""
    return {
        "@type": TYPE + "envoy.config.route.v3.RouteConfiguration",
        "name": ROUTES,
        "max_direct_response_body_size_bytes": PAGE_BYTES,
        "response_headers_to_add": [
            _header("x-ms-client-request-id", "%REQ(x-ms-client-request-id):128%"),
            _header("x-content-type-options", "nosniff"),
        ],
        "response_headers_to_remove": ["x-envoy-upstream-service-time", "x-envoy-overloaded"],
        "virtual_hosts": [
            {
                "name": ROUTES,
                "domains": ["*"],
                "routes": list(_all(edge)),
                "typed_per_filter_config": {KEY_FILTER: credentials(edge.keys)},
            }
        ],
    }


def credentials(keys: Mapping[str, str]) -> dict[str, Any]:
    """Describe who may ask; without a key nobody may."""
    return {
        "@type": TYPE + "envoy.extensions.filters.http.api_key_auth.v3.ApiKeyAuthPerRoute",
        "credentials": [{"key": key, "client": client} for client, key in keys.items()],
        "forwarding": {"header": CLIENT_HEADER, "hide_credentials": True},
    }


def shares(traffic: Mapping[str, int]) -> list[tuple[str, int]]:
    """Give the deployments with traffic, and up to which of 100 each is drawn; the last is drawn always."""
    total, found = 0, []
    for name, weight in traffic.items():
        if weight > 0:
            total += weight
            found.append((name, total))
    return found


def _all(edge: Edge) -> Iterator[Route]:
    yield _refuse("not_found", {"path": "/v2/models/stats"}, "not_found")  # no model to Triton, but its statistics
    for path in paths(edge.endpoint):
        yield from _of_path(edge, path)
    yield _health()
    yield _not_allowed({"path": "/health/live"}, PAGE, keyless=True)
    for name, file, content_type in (
        ("/", "playground.html", "text/html; charset=utf-8"),
        ("/openapi.yaml", "openapi.yaml", "application/yaml"),
    ):
        if (PAGES / file).is_file():
            yield _page(name, file, content_type)
            yield _not_allowed({"path": name}, PAGE, keyless=True)
    yield _refuse("grpc_not_found", {"prefix": "/", "grpc": {}}, "not_found")
    yield _refuse("not_found", {"prefix": "/"}, "not_found")


def _of_path(edge: Edge, path: Path) -> Iterator[Route]:
    endpoint, match = edge.endpoint, _match(path)
    if not path.keyless:  # a stranger is not told what deployments there are: for them the header means nothing
        yield from _targeted(endpoint, path, match)
    live = shares(endpoint.traffic)
    for position, (name, up_to) in enumerate(live):
        drawn = match if position == len(live) - 1 else match | {"runtime_fraction": _fraction(up_to)}
        yield _forward(path, endpoint.deployments[name], drawn, _mirror(endpoint, path, endpoint.deployments[name]))
    if not live:
        code = "unavailable" if path.keyless else "no_traffic"
        yield _refuse(f"{path.name}:idle", match, code, grpc=path.grpc, keyless=path.keyless)
    if not path.grpc:
        yield _not_allowed(path.match, path.methods, keyless=path.keyless)


def _targeted(endpoint: Endpoint, path: Path, match: dict[str, Any]) -> Iterator[Route]:
    for deployment in endpoint.deployments.values():
        yield _forward(path, deployment, _with_header(match, {"string_match": {"exact": deployment.name}}), None)
    unknown = _with_header(match, {"present_match": True})
    yield _refuse(f"{path.name}:unknown", unknown, "DeploymentNotFound", grpc=path.grpc)


def _match(path: Path) -> dict[str, Any]:
    match = dict(path.match)
    match["headers"] = [_method(path.methods)]
    return match | {"grpc": {}} if path.grpc else match


def _method(methods: tuple[str, ...]) -> dict[str, Any]:
    if len(methods) == 1:
        return {"name": ":method", "string_match": {"exact": methods[0]}}
    return {"name": ":method", "string_match": {"safe_regex": {"regex": "|".join(methods)}}}


def _with_header(match: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    return match | {"headers": [*match["headers"], {"name": TARGET_HEADER} | value]}


def _forward(path: Path, deployment: Deployment, match: dict[str, Any], mirror: list[dict[str, Any]] | None) -> Route:
    """Send to a deployment, by its own name of the model and within its own time."""
    to = target(path, deployment)
    if to is None:
        return _refuse(f"{path.name}:{deployment.name}", match, "not_found")
    action: dict[str, Any] = {
        "cluster": cluster_name(deployment.name, grpc=path.grpc),
        "timeout": f"{deployment.request_settings.request_timeout_ms / 1000:g}s",
        "retry_policy": RETRY,
    }
    if path.grpc:
        action["max_stream_duration"] = {"grpc_timeout_header_max": action["timeout"]}
    if to:
        action["prefix_rewrite"] = to
    if mirror:
        action["request_mirror_policies"] = mirror
    filters: dict[str, Any] = {LUA_FILTER: checked_as(path)} | ({KEY_FILTER: _OFF} if path.keyless else {})
    served_by = [] if path.keyless else [_header(TARGET_HEADER, deployment.name)]
    return {
        "name": f"{path.name}:{deployment.name}",
        "match": match,
        "route": action,
        "response_headers_to_add": served_by,
        "typed_per_filter_config": filters,
    }


def checked_as(path: Path) -> dict[str, Any]:
    """Tell the Lua filter what the body must be."""
    return {
        "@type": TYPE + "envoy.extensions.filters.http.lua.v3.LuaPerRoute",
        "filter_context": {"check": "grpc" if path.grpc else path.check or "none"},
    }


def _mirror(endpoint: Endpoint, path: Path, live: Deployment) -> list[dict[str, Any]]:
    """Copy inferences to a candidate, by its own name of the model; nobody waits for its answer."""
    policies = []
    for name, per_cent in endpoint.mirror_traffic.items():
        to = target(path, endpoint.deployments[name])
        if per_cent > 0 and path.infers and to is not None:
            policy: dict[str, Any] = {
                "cluster": cluster_name(name, grpc=path.grpc),
                "runtime_fraction": _fraction(per_cent),
            }
            if to != target(path, live):
                policy["request_headers_mutations"] = [{"append": _header(MIRROR_HEADER, to)}]
            policies.append(policy)
    return policies


def _fraction(per_cent: int) -> dict[str, Any]:
    return {"default_value": {"numerator": per_cent, "denominator": "HUNDRED"}}


def _refuse(name: str, match: dict[str, Any], code: str, *, grpc: bool = False, keyless: bool = False) -> Route:
    """Answer with a refusal; a gRPC client gets the code of the table, and the message alone."""
    refusal = REFUSALS[code]
    is_grpc = grpc or "grpc" in match
    content = refusal.message if is_grpc else json.dumps(body(code))
    headers = [_header(ERROR_HEADER, code)]
    headers.append(_header("grpc-status", str(refusal.grpc)) if is_grpc else _header("content-type", JSON_TYPE))
    if refusal.retry:
        headers.append(_header("retry-after", str(RETRY_SECONDS)))
    return _direct(name, match, refusal.status, content, headers, keyless=keyless)


def _not_allowed(match: dict[str, Any], methods: tuple[str, ...], *, keyless: bool) -> Route:
    route = _refuse("method_not_allowed", match, "method_not_allowed", keyless=keyless)
    route["response_headers_to_add"].append(_header("allow", ", ".join(methods)))
    return route


def _health() -> Route:
    """Say that the edge itself lives; whether deployments do is what ``ready`` tells."""
    match = {"path": "/health/live", "headers": [_method(PAGE)]}
    return _direct("live", match, 200, '{"status":"live"}', [_header("content-type", JSON_TYPE)], keyless=True)


def _page(path: str, file: str, content_type: str) -> Route:
    headers = [
        _header("content-type", content_type),
        _header("cache-control", "no-cache"),
        _header("content-security-policy", PAGE_POLICY),
        _header("referrer-policy", "no-referrer"),
    ]
    return _direct(file, {"path": path, "headers": [_method(PAGE)]}, 200, _read(file), headers, keyless=True)


@cache
def _read(file: str) -> str:
    return (PAGES / file).read_text(encoding="utf-8")


def _direct(
    name: str, match: dict[str, Any], status: int, content: str, headers: list[dict[str, Any]], *, keyless: bool
) -> Route:
    filters = {LUA_FILTER: _OFF, BUFFER_FILTER: _OFF} | ({KEY_FILTER: _OFF} if keyless else {})
    return {
        "name": name,
        "match": match,
        "direct_response": {"status": status, "body": {"inline_string": content}},
        "response_headers_to_add": headers,
        "typed_per_filter_config": filters,
    }


def _header(name: str, value: str) -> dict[str, Any]:
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
