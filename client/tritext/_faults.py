"""A server's refusal in, one error out: the only table that says what a status and its words mean.

Both transports use it, so a program sees the same error whichever way it speaks. The words are those of Triton
2.51 (measured over gRPC and HTTP) and of Envoy 1.40; where a status alone would mislead, the words decide: an
unloaded model, for example, is NOT_FOUND like a misspelt one.
"""

import re

from tritext._errors import (
    AccessDenied,
    BatchTooLarge,
    ConfigurationError,
    DeadlineExceeded,
    InferenceFailed,
    InvalidInput,
    QueueFull,
    TritextError,
    Unavailable,
    UnknownModel,
)

_GRPC_NAME_OF_HTTP = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    413: "OUT_OF_RANGE",
    422: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_BATCH_LIMIT = re.compile(r"batch-size must be <= (\d+)")
# Our own front says what to do about a full queue; Triton does not.
_HAS_REMEDY = re.compile(r"Exceeds maximum queue size: \w")
# Status, words, error; first match wins. A status is part of it because words under INVALID_ARGUMENT may quote a text.
_BY_WORDS: tuple[tuple[str, re.Pattern[str], type[TritextError]], ...] = (
    ("UNAVAILABLE", re.compile(r"Exceeds maximum queue size"), QueueFull),
    ("UNAVAILABLE", re.compile(r"Request timeout expired"), DeadlineExceeded),
    # What TLS says of an untrusted certificate and of a plain port, and HTTP of a gRPC port: waiting helps none.
    (
        "UNAVAILABLE",
        re.compile(r"CERTIFICATE_VERIFY_FAILED|WRONG_VERSION_NUMBER|illegal request line"),
        ConfigurationError,
    ),
    # Loading, unloading or failed to load; a name that was never there "is not found".
    ("NOT_FOUND", re.compile(r"has no available versions$"), Unavailable),
    # gRPC's own word for a message over a size limit shares its status with a rate limit.
    ("RESOURCE_EXHAUSTED", re.compile(r"larger than max|too large", re.IGNORECASE), InvalidInput),
)
_BY_STATUS: dict[str, type[TritextError]] = {
    "INVALID_ARGUMENT": InvalidInput,
    "OUT_OF_RANGE": InvalidInput,
    "UNAUTHENTICATED": AccessDenied,
    "PERMISSION_DENIED": AccessDenied,
    "NOT_FOUND": UnknownModel,
    "RESOURCE_EXHAUSTED": QueueFull,
    "UNAVAILABLE": Unavailable,
    "DEADLINE_EXCEEDED": DeadlineExceeded,
}


def fault(status: int | str, words: str, where: str, retry_after: float | None = None) -> TritextError:
    """Name the error behind a refusal.

    Args:
        status: An HTTP status code, or the name of a gRPC status such as ``UNAVAILABLE``.
        words: What the server said, or what the connection failed with.
        where: The endpoint and model, for the message.
        retry_after: Seconds that the server asks to wait, if it does.

    Returns:
        The error to raise; its message carries the words and what can be done.
    """
    words = " ".join(words.removeprefix("[request id: <id_unknown>]").split()) or f"status {status} without a word"
    name = _GRPC_NAME_OF_HTTP.get(status, "INTERNAL") if isinstance(status, int) else status
    limit = _BATCH_LIMIT.search(words)
    error: TritextError
    if name == "INVALID_ARGUMENT" and limit:
        error = BatchTooLarge(_message(BatchTooLarge, where, words), int(limit[1]))
    else:
        kind = _kind(name, words)
        error = kind(_message(kind, where, words))
    error.retry_after = retry_after
    return error


def _kind(name: str, words: str) -> type[TritextError]:
    for status, pattern, kind in _BY_WORDS:
        if status == name and pattern.search(words):
            return kind
    return _BY_STATUS.get(name, InferenceFailed)


def _message(kind: type[TritextError], where: str, words: str) -> str:
    advice = "" if _HAS_REMEDY.search(words) else f": {kind.advice}"
    return f"{where}: {words.rstrip('.')}{advice}"
