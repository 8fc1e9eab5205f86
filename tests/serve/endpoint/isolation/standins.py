"""Small real servers for one namespace or container: plain HTTP, TLS and name service, until killed.

``python standins.py '{"http": [8000], "tls": [443], "names": [53], "certificate": "…", "key": "…"}'``, and, but for
every address, ``"host": "…"``.
"""

import http.server
import json
import socketserver
import ssl
import struct
import sys
import threading
from http import HTTPStatus
from typing import Any

ANSWER = json.dumps({"label_id": 1, "score": 0.9, "sentiment": "positive"}).encode()


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers everything alike."""

    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        """Say yes."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)

    do_GET = do_POST = do_HEAD = answer  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""


class Names(socketserver.BaseRequestHandler):
    """A name server that knows an address for everything."""

    def handle(self) -> None:
        """Answer 192.0.2.1."""
        question, socket = self.request
        header = question[:2] + struct.pack(">HHHHH", 0x8180, 1, 1, 0, 0)
        record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 1, 4) + bytes([192, 0, 2, 1])
        socket.sendto(header + question[12:] + record, self.client_address)


def main() -> None:
    """Serve until killed."""
    told = json.loads(sys.argv[1])
    host = told.get("host", "0.0.0.0")
    servers: list[socketserver.BaseServer] = [
        http.server.ThreadingHTTPServer((host, port), Handler) for port in told.get("http", [])
    ]
    for port in told.get("tls", []):
        server = http.server.ThreadingHTTPServer((host, port), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(told["certificate"], told["key"])
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        servers.append(server)
    servers += [socketserver.ThreadingUDPServer((host, port), Names) for port in told.get("names", [])]
    for each in servers:
        threading.Thread(target=each.serve_forever, daemon=True).start()
    sys.stdout.write("serving\n")
    sys.stdout.flush()
    threading.Event().wait()


if __name__ == "__main__":
    main()
