"""A small HTTP server in a deployment's place: it keeps what it is asked, and answers what a test tells it to."""

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Asked:
    """One request.

    Attributes:
        method: Its method.
        path: Its path.
        headers: Its headers, names in lower case.
        body: Its body.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Orders:
    """How to answer.

    Attributes:
        status: HTTP status.
        message: What the body says; a 200 says who answers.
        seconds: How long to wait before.
        hang_up: Whether to close the connection instead.
    """

    status: int = 200
    message: str = ""
    seconds: float = 0.0
    hang_up: bool = False


@dataclass
class Tiny:
    """A server on a port of its own.

    Attributes:
        name: What its answers say.
        orders: How it answers; a test may change it.
        asked: What it was asked since the last ``clear``.
        most: How many requests it has held at once since then.
    """

    name: str
    orders: Orders = field(default_factory=Orders)
    asked: list[Asked] = field(default_factory=list)
    most: int = 0

    def __post_init__(self) -> None:
        """Take a port and answer."""
        tiny, held, lock = self, set[object](), threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # an answer in one piece: two would wait for each other

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                tiny.asked.append(Asked(self.command, self.path, headers, body))
                orders = tiny.orders
                with lock:
                    held.add(self)
                    tiny.most = max(tiny.most, len(held))
                time.sleep(orders.seconds)
                held.discard(self)
                if orders.hang_up:
                    self.close_connection = True
                    return
                content = {"served": tiny.name} if orders.status == 200 else {"error": orders.message}
                said = json.dumps(content).encode()
                self.send_response(orders.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            do_GET = do_POST = answer  # noqa: N815  # the base class calls them so

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_: object) -> None:
                """A client that has gone is what some tests are about."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Its port on loopback."""
        return int(self._server.server_address[1])

    def clear(self) -> None:
        """Forget, and answer as at first."""
        self.orders = Orders()
        self.asked.clear()
        self.most = 0

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
