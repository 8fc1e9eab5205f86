"""The one table of what a refused request gets: HTTP status, gRPC code, and what the body says. Pure.

Every refusal of the edge and of Triton behind it goes through here: Envoy's own replies by ``local_reply_config``, what
the request's check finds and what Triton answers by the Lua filter. Bodies are ``{"error": message, "code": code}``;
they quote neither Triton's words nor the client's.
"""

from dataclasses import dataclass
from typing import Any

JSON_TYPE = "application/json"
RETRY_SECONDS = 1
# On every refusal, with its code: for clients, for gRPC, and by it the edge knows its own answers.
ERROR_HEADER = "x-error-code"


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a refused request gets.

    Attributes:
        status: HTTP status.
        grpc: gRPC status code.
        message: What is wrong, and what to do.
        retry: Whether the same request may succeed a second later.
    """

    status: int
    grpc: int
    message: str
    retry: bool = False


# gRPC's numbers, as google.rpc.Code has them.
CANCELLED, INVALID_ARGUMENT, DEADLINE_EXCEEDED, NOT_FOUND, RESOURCE_EXHAUSTED = 1, 3, 4, 5, 8
FAILED_PRECONDITION, UNIMPLEMENTED, UNAVAILABLE, UNAUTHENTICATED = 9, 12, 14, 16

REFUSALS: dict[str, Refusal] = {
    "bad_request": Refusal(
        400, INVALID_ARGUMENT, "the request is not well-formed HTTP, or its path or headers are not allowed"
    ),
    "empty_body": Refusal(400, INVALID_ARGUMENT, "the body is empty: send a JSON object"),
    "invalid_json": Refusal(400, INVALID_ARGUMENT, "the body is not valid JSON"),
    "invalid_utf8": Refusal(400, INVALID_ARGUMENT, "the body is not valid UTF-8, or has half of a surrogate pair"),
    "too_deep": Refusal(400, INVALID_ARGUMENT, "the JSON is nested too deeply"),
    "duplicate_key": Refusal(400, INVALID_ARGUMENT, "the JSON has the same key twice in one object"),
    "invalid_request": Refusal(400, INVALID_ARGUMENT, "the request does not have the form that this route takes"),
    "unauthenticated": Refusal(401, UNAUTHENTICATED, "no valid key: send one as 'Authorization: Bearer KEY'"),
    "not_found": Refusal(404, UNIMPLEMENTED, "there is no such route"),
    "no_traffic": Refusal(
        404, NOT_FOUND, "no deployment has traffic: name one with the header azureml-model-deployment"
    ),
    "DeploymentNotFound": Refusal(
        404, NOT_FOUND, "the header azureml-model-deployment names no deployment of this endpoint"
    ),
    "model_not_found": Refusal(404, NOT_FOUND, "there is no such model or version"),
    "method_not_allowed": Refusal(405, UNIMPLEMENTED, "the route does not take this method: see the header Allow"),
    "request_timeout": Refusal(408, DEADLINE_EXCEEDED, "the deployment did not answer within its request_timeout_ms"),
    "slow_request": Refusal(408, DEADLINE_EXCEEDED, "the request did not arrive in time"),
    "too_large": Refusal(413, RESOURCE_EXHAUSTED, "the body is too large: send less at once"),
    "batch_too_large": Refusal(413, INVALID_ARGUMENT, "too many texts in one request: send fewer"),
    "unsupported_media_type": Refusal(415, INVALID_ARGUMENT, "send application/json"),
    "content_encoding": Refusal(415, INVALID_ARGUMENT, "send the body without a content encoding"),
    "unprocessable": Refusal(422, INVALID_ARGUMENT, "the model cannot take this text as the request asks"),
    "model_error": Refusal(424, FAILED_PRECONDITION, "the model failed on this request"),
    "upgrade_required": Refusal(426, INVALID_ARGUMENT, "speak HTTP/1.1 or HTTP/2"),
    "queue_full": Refusal(429, RESOURCE_EXHAUSTED, "the deployment's queue is full: try again later", retry=True),
    "too_many_requests": Refusal(
        429, RESOURCE_EXHAUSTED, "too many requests are being answered: try again later", retry=True
    ),
    "rate_limited": Refusal(429, RESOURCE_EXHAUSTED, "this key's rate limit is reached: try again later", retry=True),
    "headers_too_large": Refusal(431, INVALID_ARGUMENT, "too many headers, or too large ones"),
    "internal": Refusal(500, 13, "the edge failed on this request"),
    "unavailable": Refusal(
        503, UNAVAILABLE, "no instance of the deployment can answer now: try again later", retry=True
    ),
    "deadline_exceeded": Refusal(504, DEADLINE_EXCEEDED, "the request's own timeout has passed: allow more"),
}


@dataclass(frozen=True, slots=True)
class Said:
    """How an error of Triton's is told by its words.

    Attributes:
        pattern: A Lua pattern somewhere in the message.
        code: Which refusal it is.
        quoted: Whether what matches, or the part of it in brackets, is safe to hand on, and helps.
    """

    pattern: str
    code: str
    quoted: bool = False


# Of Triton 2.51 and of our front; the first that matches counts. What matches none goes by its status: see below.
SAID: tuple[Said, ...] = (
    Said("Exceeds maximum queue size", "queue_full"),
    Said("queue is full", "queue_full"),
    Said("Request timeout expired", "deadline_exceeded"),
    Said("timeout of %d+ microseconds has passed", "deadline_exceeded"),
    Said("Stub process .* is not healthy", "model_error"),
    Said("the front failed", "model_error"),
    Said("unknown model", "model_not_found"),
    Said("[Rr]equest for unknown model", "model_not_found"),
    Said("Model version not ready", "model_not_found"),  # what a server loads, it loads before it says that it is up
    Said("is not ready", "unavailable"),
    Said("no version policy", "model_not_found"),
    Said("batch%-size must be", "batch_too_large"),
    Said("text %d+ has %d+ tokens[%w%s,:_%-]*", "unprocessable", quoted=True),
    Said("text %d+ has %d+ bytes[%w%s,:_%-]*", "too_large", quoted=True),
    Said("text[_pair]* %d+ is not valid UTF%-8 at byte %d+", "invalid_utf8", quoted=True),
    Said("long_texts is .*: (take [%w, ]*)", "invalid_request", quoted=True),
    Said("window_%w+ is .*: (take [%w, ]*)", "invalid_request", quoted=True),
    Said("[Ff]ailed to parse", "invalid_request"),
    Said("[Uu]nable to parse", "invalid_request"),
)

# What Triton's status means where its words say nothing: a 500 is the model's, as far as the edge has checked the body.
BY_STATUS: dict[int, str] = {
    400: "invalid_request",
    403: "not_found",
    404: "model_not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
    500: "model_error",
    501: "invalid_request",
    503: "unavailable",
}
# The same for gRPC's codes. Triton is told the client's deadline too, and may give up just before the edge does.
BY_GRPC: dict[int, str] = {
    CANCELLED: "deadline_exceeded",
    DEADLINE_EXCEEDED: "deadline_exceeded",
    INVALID_ARGUMENT: "invalid_request",
    NOT_FOUND: "model_not_found",
    13: "model_error",
    2: "model_error",
    UNAVAILABLE: "unavailable",
}


def body(code: str) -> dict[str, Any]:
    """Give the body of a refusal."""
    return {"error": REFUSALS[code].message, "code": code}
