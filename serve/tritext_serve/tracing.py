"""Where Triton sends its spans: a collector's address in, Triton's arguments out. Pure.

Triton speaks OTLP over HTTP, in JSON. A span's parent is what the request's ``traceparent`` header names, so that the
edge's span and Triton's share a trace. Triton 24.10 does not read that header's ``sampled`` flag: it traces every
request that has one.
"""

from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from tritext_serve.errors import TracingError

TRACES_PATH = "/v1/traces"
OTLP_PORT = 4318
OFF = ("--trace-config=level=OFF",)


@dataclass(frozen=True, slots=True)
class Tracing:
    """Where spans go, and of which requests there are any.

    Attributes:
        host: The collector's host name or address, an IPv6 one without its brackets.
        port: Its port for OTLP over HTTP.
        path: Where it takes traces.
        rate: One in so many of the requests without a trace context is traced; 0 for none of them. Every request
            that comes with a context is.
        service: ``service.name`` of the spans.
    """

    host: str
    port: int = OTLP_PORT
    path: str = TRACES_PATH
    rate: int = 0
    service: str = "triton"

    @classmethod
    def to(cls, url: str, rate: int = 0, service: str = "triton") -> Self:
        """Read a collector's URL, such as ``http://127.0.0.1:4318``; its path is ``/v1/traces`` if it has none.

        Raises:
            TracingError: it is not such a URL.
        """
        if set("@?") & set(url):  # before it or in its query: a secret, which no message may repeat
            raise TracingError(
                "the collector's URL holds a user name, a password or a query, which every user of this machine "
                "could read from the command line: let the collector listen where it needs none"
            )
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port or OTLP_PORT
        except ValueError as error:
            raise TracingError(f"{url!r}: {error}: give a collector as http://HOST:{OTLP_PORT}") from error
        if parts.scheme != "http" or not host or parts.fragment or not _plain(parts.path + host):
            raise TracingError(f"{url!r} is not a collector's URL: give it as http://HOST:{OTLP_PORT}")
        return cls(host, port, parts.path.rstrip("/") or TRACES_PATH, rate, service)

    @property
    def url(self) -> str:
        """The whole URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}{self.path}"


def trace_flags(tracing: Tracing | None) -> tuple[str, ...]:
    """Compose the arguments that switch tracing on, or the one that keeps it off."""
    if tracing is None:
        return OFF
    settings = (
        "mode=opentelemetry",
        "level=TIMESTAMPS",
        f"rate={tracing.rate}",
        f"opentelemetry,url={tracing.url}",
        f"opentelemetry,resource=service.name={tracing.service}",
    )
    return tuple(f"--trace-config={setting}" for setting in settings)


def _plain(text: str) -> bool:
    """Whether Triton, which splits its settings at commas and equals signs, takes a text as it is."""
    return text.isascii() and text.isprintable() and not set(text) & set(" ,=\"'\\")
