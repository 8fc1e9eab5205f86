"""Every refusal that was seen on a real server, and the error it must become."""

import pytest

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
from tritext._faults import fault

UNKNOWN_ID = "[request id: <id_unknown>] "

# Triton 2.51, the same words over both protocols: gRPC status, HTTP status, words, error.
TRITON = [
    ("INVALID_ARGUMENT", 400, f"{UNKNOWN_ID}inference request batch-size must be <= 4 for 'sentiment'", BatchTooLarge),
    ("INVALID_ARGUMENT", 400, "unexpected inference output 'zzz' for model 'sentiment'", InvalidInput),
    ("INVALID_ARGUMENT", 400, f"{UNKNOWN_ID}expected 1 string elements for inference input 'text'", InvalidInput),
    ("INVALID_ARGUMENT", 400, "text 0 is silly", InvalidInput),
    ("UNAVAILABLE", 503, f"{UNKNOWN_ID}Exceeds maximum queue size", QueueFull),
    ("UNAVAILABLE", 503, "Request timeout expired", DeadlineExceeded),
    ("UNAVAILABLE", 503, "'sentiment' version 2 is not at ready state", Unavailable),
    ("NOT_FOUND", 404, "Request for unknown model: 'x' is not found", UnknownModel),
    ("NOT_FOUND", 404, "Request for unknown model: 'sentiment' version 9 is not found", UnknownModel),
    ("NOT_FOUND", 404, "Request for unknown model: 'sentiment' has no available versions", Unavailable),
    ("INTERNAL", 500, "Stub process 'sentiment_0_0' is not healthy.", InferenceFailed),
    ("INTERNAL", 500, "Failed to process the request(s) for model 'm', message: ValueError: boom", InferenceFailed),
    ("INTERNAL", 500, "failed to parse the request JSON buffer: Missing a name", InferenceFailed),
]
# What stands in front of Triton, and what a connection fails with.
AROUND: list[tuple[str | int, str, type[TritextError]]] = [
    ("UNAUTHENTICATED", "Client authentication failed.", AccessDenied),
    (401, "Client authentication failed.", AccessDenied),
    ("PERMISSION_DENIED", "", AccessDenied),
    (403, "This API is restricted, expecting header 'tritext'", AccessDenied),
    (404, "Not Found", UnknownModel),
    (408, "request timeout", DeadlineExceeded),
    (413, "Payload Too Large", InvalidInput),
    ("RESOURCE_EXHAUSTED", "Received message larger than max (20 vs. 10)", InvalidInput),
    ("RESOURCE_EXHAUSTED", "Payload Too Large", InvalidInput),
    ("RESOURCE_EXHAUSTED", "local_rate_limited", QueueFull),
    (429, "local_rate_limited", QueueFull),
    (502, "<html>Bad Gateway</html>", Unavailable),
    (503, "no healthy upstream", Unavailable),
    (503, "upstream connect error or disconnect/reset before headers", Unavailable),
    (504, "upstream request timeout", DeadlineExceeded),
    ("DEADLINE_EXCEEDED", "Deadline Exceeded", DeadlineExceeded),
    ("UNAVAILABLE", "failed to connect to all addresses; last error: Connection refused", Unavailable),
    ("UNAVAILABLE", "errors resolving nosuchhost:1: Domain name not found", Unavailable),
    ("UNAVAILABLE", "Tls handshake failed: SSL_ERROR_SSL: WRONG_VERSION_NUMBER", ConfigurationError),
    ("UNAVAILABLE", "ConnectError: [SSL: CERTIFICATE_VERIFY_FAILED] self-signed", ConfigurationError),
    ("UNAVAILABLE", "RemoteProtocolError: illegal request line", ConfigurationError),
    ("UNAVAILABLE", "Socket closed", Unavailable),
    ("UNIMPLEMENTED", "", InferenceFailed),
    ("UNKNOWN", "", InferenceFailed),
    (302, "", InferenceFailed),
    (418, "short and stout", InferenceFailed),
]


@pytest.mark.parametrize(("grpc", "http", "words", "kind"), TRITON)
def test_triton_says_the_same_over_both(grpc: str, http: int, words: str, kind: type[TritextError]) -> None:
    assert type(fault(grpc, words, "here")) is kind
    assert type(fault(http, words, "here")) is kind


@pytest.mark.parametrize(("status", "words", "kind"), AROUND)
def test_status_and_words(status: str | int, words: str, kind: type[TritextError]) -> None:
    assert type(fault(status, words, "here")) is kind


def test_the_message_carries_the_words_the_place_and_the_remedy() -> None:
    message = str(fault(503, f"{UNKNOWN_ID}Exceeds maximum queue size", "grpc://h:1 model 'm'"))
    assert message == f"grpc://h:1 model 'm': Exceeds maximum queue size: {QueueFull.advice}"


def test_what_the_server_advises_is_not_advised_twice() -> None:
    message = str(fault("UNAVAILABLE", "Exceeds maximum queue size: send again later", "here"))
    assert message == "here: Exceeds maximum queue size: send again later"


def test_a_wordless_refusal_still_says_something() -> None:
    assert "status UNIMPLEMENTED without a word" in str(fault("UNIMPLEMENTED", "  ", "here"))


def test_the_batch_limit_is_read() -> None:
    error = fault("INVALID_ARGUMENT", TRITON[0][2], "here")
    assert isinstance(error, BatchTooLarge)
    assert error.limit == 4


def test_a_text_cannot_talk_itself_into_a_retry() -> None:
    assert type(fault(400, "bad text 'Exceeds maximum queue size'", "here")) is InvalidInput


def test_the_servers_wish_to_wait_is_kept() -> None:
    assert fault(429, "slow down", "here", retry_after=7.0).retry_after == 7.0
    assert fault(429, "slow down", "here").retry_after is None
