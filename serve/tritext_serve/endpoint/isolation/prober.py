"""Try to reach something, and say in one word what happened. Stands alone: it is run inside namespaces and containers.

Each line on standard input is an object ``{"kind": "http" | "tls" | "dns", "host": …, "port": …, "name": …,
"path": …, "headers": {…}, "seconds": …}``; each line on standard output is one of::

    open           answered with a status below 400 (http, tls), or with an address (dns)
    unauthorised   answered with 401
    STATUS         answered otherwise, such as 503
    unresolved     the name has no address
    refused        nobody listens, or a filter says no
    unroutable     there is no way there
    closed         the connection was made, and cut before an answer
    silent         nothing came back in time
"""

import errno
import http.client
import json
import socket
import ssl
import struct
import sys
from typing import Any

SECONDS = 5.0
UNROUTABLE = (errno.ENETUNREACH, errno.EHOSTUNREACH)
DNS_HEADER = struct.Struct(">HHHHHH")


def probe(asked: dict[str, Any]) -> str:
    """Make one attempt.

    Args:
        asked: As above.

    Returns:
        One word.
    """
    kinds = {"http": _http, "tls": _tls, "dns": _dns}
    try:
        return kinds[asked["kind"]](asked)
    except TimeoutError:
        return "silent"
    except socket.gaierror:
        return "unresolved"
    except ConnectionRefusedError:
        return "refused"
    except (ConnectionResetError, BrokenPipeError, ssl.SSLError, http.client.HTTPException):
        return "closed"
    except OSError as error:
        return "unroutable" if error.errno in UNROUTABLE else "refused"


def _http(asked: dict[str, Any]) -> str:
    connection = http.client.HTTPConnection(asked["host"], asked["port"], timeout=asked.get("seconds", SECONDS))
    return _ask(connection, asked)


def _tls(asked: dict[str, Any]) -> str:
    """Whose certificate it is does not matter here: what matters is whether the handshake comes about."""
    trusting = ssl.create_default_context()
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    raw = socket.create_connection((asked["host"], asked["port"]), asked.get("seconds", SECONDS))
    with raw, trusting.wrap_socket(raw, server_hostname=asked["name"]) as wrapped:
        wrapped.sendall(f"GET / HTTP/1.0\r\nHost: {asked['name']}\r\n\r\n".encode())
        answer = wrapped.recv(64)
    return _word(int(answer.split()[1])) if answer else "closed"


def _dns(asked: dict[str, Any]) -> str:
    """Ask one server for one name's address of version 4."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in asked["name"].split("."))
    question = DNS_HEADER.pack(1, 0x100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(asked.get("seconds", SECONDS))
        asking.connect((asked["host"], asked["port"]))
        asking.send(question)
        _, flags, _, answers, _, _ = DNS_HEADER.unpack(asking.recv(512)[: DNS_HEADER.size])
    return "open" if answers and not flags & 0xF else "unresolved"


def _ask(connection: http.client.HTTPConnection, asked: dict[str, Any]) -> str:
    body = asked.get("body", "")
    try:
        connection.request("POST" if body else "GET", asked.get("path", "/"), body or None, asked.get("headers", {}))
        return _word(connection.getresponse().status)
    finally:
        connection.close()


def _word(status: int) -> str:
    if status == 401:
        return "unauthorised"
    return "open" if status < 400 else str(status)


def main() -> None:
    """Answer line by line until the input ends."""
    for line in sys.stdin:
        sys.stdout.write(probe(json.loads(line)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
