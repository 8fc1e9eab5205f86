"""What stands for the Triton of NVIDIA's image: it takes Triton's flags and gives every canary the label 1.

It also leaves a shared-memory region, as a Triton that is killed does.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FLAGS = dict(word.removeprefix("--").split("=", 1) for word in sys.argv[1:] if "=" in word)


class Triton(BaseHTTPRequestHandler):
    """Answers readiness, inference and metrics."""

    def do_GET(self) -> None:
        """Be ready."""
        self._say(b"")

    def do_POST(self) -> None:
        """Label."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self._say(json.dumps({"outputs": [{"name": "label_id", "data": [1]}]}).encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""

    def _say(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    prefix = FLAGS["backend-config"].partition("shm-region-prefix-name=")[2]
    Path("/dev/shm", prefix).touch()
    Path(sys.argv[1]).write_text(json.dumps(sys.argv[2:]), encoding="utf-8")
    ThreadingHTTPServer(("127.0.0.1", int(FLAGS["http-port"])), Triton).serve_forever()
