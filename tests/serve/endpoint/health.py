"""The supervisor's health port, as a test plays it: well unless a test says ill."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Health:
    """Answers ``GET /health/NAME/NUMBER`` on a port of its own.

    Attributes:
        ill: The instances that are not well, as ``NAME/NUMBER``; a test may change it.
    """

    def __init__(self) -> None:
        """Take a port."""
        self.ill: set[str] = set()
        ill = self.ill

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                number, _, name = self.headers.get("Host", "").partition(".")
                asked = self.path.removeprefix("/health/")
                instance = asked if "/" in asked else f"{name}/{number}"
                body = b"ill" if instance in ill else b"well"
                self.send_response(503 if instance in ill else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_: object) -> None:
                """Say nothing of an edge that did not wait: a trace printed beside pytest's own can end pytest."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def port(self) -> int:
        """Its port on loopback."""
        return int(self._server.server_address[1])

    def __enter__(self) -> "Health":
        """Answer."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
