"""Where the edge asks whether an instance answers its canary, and Prometheus for metrics: a small loopback server."""

import json
import logging
import re
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

NAME = "[A-Za-z0-9-]{1,64}"
_PATH = re.compile(rf"/health/(?P<deployment>{NAME})(?:/(?P<number>\d{{1,9}}))?")
_HOST = re.compile(rf"(?P<number>\d{{1,9}})\.{NAME}(?::\d+)?")
_LOG = logging.getLogger(__name__)
JSON, TEXT = "application/json", "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Health:
    """Whether an instance is to get requests.

    Attributes:
        well: Whether it is.
        state: Its phase.
        reason: Why it is not.
    """

    well: bool
    state: str
    reason: str = ""


class HealthServer:
    """``GET /health/DEPLOYMENT/NUMBER`` is 200 or 503, ``GET /health`` 200, ``GET /metrics`` Prometheus' text.

    Envoy has one path for all instances of a deployment: the number may come in the Host header, ``NUMBER.DEPLOYMENT``.
    """

    def __init__(
        self,
        look: Callable[[str, int], Health | None],
        metrics: Callable[[], bytes],
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        """Listen at once.

        Args:
            look: Says how an instance is; None where there is none.
            metrics: Writes the metrics.
            host: Where to listen.
            port: Likewise; 0 for a free one.
        """
        self._server = _Server((host, port), look, metrics)
        self.host, self.port = host, int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="health", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(
        self, where: tuple[str, int], look: Callable[[str, int], Health | None], metrics: Callable[[], bytes]
    ) -> None:
        self.look, self.metrics = look, metrics
        super().__init__(where, _Request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep to the log what the base class would print: who asked may have hung up."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            _LOG.error("a question about health or metrics failed: %r", error)


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # the edge keeps its connections
    timeout = 30

    def do_GET(self) -> None:  # the base class calls it so
        """Answer."""
        server = cast(_Server, self.server)
        if self.path == "/metrics":
            self._send(200, TEXT, server.metrics())
        elif self.path == "/health":
            self._say(200, {"state": "running"})
        elif found := _PATH.fullmatch(self.path):
            number = found["number"] or _number(self.headers.get("Host", ""))
            health = server.look(found["deployment"], int(number)) if number else None
            if health is None:
                self._say(404, {"state": "unknown", "reason": "no such instance"})
            else:
                self._say(200 if health.well else 503, {"state": health.state, "reason": health.reason})
        else:
            self._say(404, {"error": "there are /health/DEPLOYMENT/NUMBER and /metrics"})

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # as the base class names it
        """Say nothing: the edge asks every second."""

    def _say(self, status: int, content: dict[str, str]) -> None:
        self._send(status, JSON, json.dumps(content).encode() + b"\n")

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _number(host: str) -> str:
    found = _HOST.fullmatch(host)
    return found["number"] if found else ""
