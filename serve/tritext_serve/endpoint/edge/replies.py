"""Envoy's own answers in the table's words: ``local_reply_config``. Pure.

Envoy takes the first mapper that matches. What the routes and the Lua filter say is in the table's words already.
"""

from collections.abc import Iterator
from typing import Any

from tritext_serve.endpoint.edge.clusters import TYPE
from tritext_serve.endpoint.edge.refusals import ERROR_HEADER, REFUSALS, RETRY_SECONDS, body

# (HTTP status, Envoy's response flags, None for any) -> the refusal.
OWN: tuple[tuple[int, tuple[str, ...] | None, str], ...] = (
    (401, None, "unauthenticated"),
    (403, None, "unauthenticated"),
    (404, None, "not_found"),
    (408, None, "slow_request"),
    (413, None, "too_large"),
    (426, None, "upgrade_required"),
    (429, None, "rate_limited"),
    (431, None, "headers_too_large"),
    (503, ("UO",), "too_many_requests"),
    (503, None, "unavailable"),
    (504, ("UT", "SI", "DT", "UMSDR"), "request_timeout"),
    (504, None, "request_timeout"),
    (500, None, "internal"),
    (502, None, "unavailable"),
    (400, None, "bad_request"),
)
SAID_ALREADY = "response.code_details in ['direct_response', 'lua_response']"
GRPC_REQUEST = "^application/grpc.*"


def local_replies() -> dict[str, Any]:
    """Describe the mappers: for each case one for gRPC, whose message is no JSON, and one for all else."""
    return {"mappers": [{"filter": _cel(SAID_ALREADY)}, *_mappers()]}


def _mappers() -> Iterator[dict[str, Any]]:
    for status, flags, code in OWN:
        cases = [_status(status)]
        if flags is not None:
            cases.append({"response_flag_filter": {"flags": list(flags)}})
        yield _mapper([*cases, _is_grpc()], code, grpc=True)
        yield _mapper(cases, code, grpc=False)


def _mapper(cases: list[dict[str, Any]], code: str, *, grpc: bool) -> dict[str, Any]:
    refusal = REFUSALS[code]
    headers = {ERROR_HEADER: code}
    if grpc:
        headers["grpc-status"] = str(refusal.grpc)
    if refusal.retry:
        headers["retry-after"] = str(RETRY_SECONDS)
    if refusal.status == 401:
        headers["www-authenticate"] = "Bearer"
    found = {"json_format": body(code)}
    return {
        "filter": cases[0] if len(cases) == 1 else {"and_filter": {"filters": cases}},
        "status_code": refusal.status,
        "headers_to_add": [
            {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
            for key, value in headers.items()
        ],
        "body_format_override": {"text_format_source": {"inline_string": refusal.message}} if grpc else found,
    }


def _status(status: int) -> dict[str, Any]:
    value = {"default_value": status, "runtime_key": "tritext.never_set"}
    return {"status_code_filter": {"comparison": {"op": "EQ", "value": value}}}


def _is_grpc() -> dict[str, Any]:
    matcher = {"name": "content-type", "string_match": {"safe_regex": {"regex": GRPC_REQUEST}}}
    return {"header_filter": {"header": matcher}}


def _cel(expression: str) -> dict[str, Any]:
    config = {
        "@type": TYPE + "envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
        "expression": expression,
    }
    return {"extension_filter": {"name": "envoy.access_loggers.extension_filters.cel", "typed_config": config}}
