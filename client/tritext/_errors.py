"""What can go wrong between a caller and an answer. Nothing here knows a transport.

TritextError
├── ConfigurationError      an argument or an environment variable of this client cannot be used
├── RequestError            the request is at fault: the same one will fail again
│   ├── InvalidInput        a text, or what the server refuses as one
│   ├── BatchTooLarge       more texts in one request than the model takes (the client splits and sends again)
│   ├── UnknownModel        no such model or version
│   └── AccessDenied        no API key, or the wrong one
├── ServerError             the request is fine, the server is not
│   ├── QueueFull           overloaded: come back later          (retried)
│   ├── Unavailable         down, starting, or not to be reached (retried)
│   └── InferenceFailed     it answered with an error, or with something that is no answer
└── DeadlineExceeded        the caller's timeout passed first
"""

from typing import ClassVar


class TritextError(Exception):
    """The root of every error that this package raises on purpose.

    Attributes:
        retryable: Whether the same request may succeed a moment later.
        advice: What the caller can do about it; part of the messages that report a server's refusal.
        retry_after: How long the server asks to wait before the next request, in seconds, if it says so.
    """

    retryable: ClassVar[bool] = False
    advice: ClassVar[str] = ""
    retry_after: float | None = None


class ConfigurationError(TritextError):
    """An argument or an environment variable of this client cannot be used."""

    advice = "check the url: grpc:// and http:// are different ports, grpcs:// and https:// need a trusted certificate"


class RequestError(TritextError):
    """The request is at fault: the same one will fail again."""


class InvalidInput(RequestError):
    """A text cannot be sent, or the server refuses it."""

    advice = "change the input: the same one will be refused again"


class BatchTooLarge(RequestError):
    """One request holds more texts than the model takes.

    Attributes:
        limit: The most texts that the model takes in one request; 0 where the server did not say.
    """

    advice = "lower max_batch_size"

    def __init__(self, message: str, limit: int = 0) -> None:
        super().__init__(message)
        self.limit = limit


class UnknownModel(RequestError):
    """The server has no such model, or no such version of it."""

    advice = "check the model's name, its version and the url"


class AccessDenied(RequestError):
    """The server wants an API key, or another one."""

    advice = "set TRITEXT_API_KEY or pass api_key="


class ServerError(TritextError):
    """The request is fine, the server is not."""


class QueueFull(ServerError):
    """The server is overloaded and refuses new work for now."""

    retryable = True
    advice = "the server is overloaded: send less at once, or give more retries and a longer timeout"


class Unavailable(ServerError):
    """The server or the model is down, starting, or cannot be reached."""

    retryable = True
    advice = "is the server up, and this its port? (Triton's own: 8001 for grpc://, 8000 for http://)"


class InferenceFailed(ServerError):
    """The server answered with an error of its own, or with something that is no answer."""

    advice = "see the server's log"


class DeadlineExceeded(TritextError):
    """The timeout passed before every answer was there."""

    advice = "give a longer timeout, or send fewer texts at once"
