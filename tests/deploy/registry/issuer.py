"""Who gives out tokens for the tests' registry: a user's password in, a signed token for what that user may do out.

The registry asks for one as any registry with scoped tokens does: 401 with a realm, a service and a scope. Signed by
openssl with the key whose certificate the registry trusts.
"""

import base64
import json
import ssl
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

SERVICE, ISSUER = "registry.test", "issuer.test"
LIFETIME_SECONDS = 300


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may ask.

    Attributes:
        password: What the scripts call a token.
        grants: Actions by repository.
    """

    password: str
    grants: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Certificate:
    """A key and its certificate for 127.0.0.1, self-signed.

    Attributes:
        key: PEM file.
        certificate: PEM file.
    """

    key: Path
    certificate: Path

    @classmethod
    def make(cls, folder: Path) -> "Certificate":
        """Have openssl make one."""
        made = cls(folder / "own.key", folder / "ca.crt")
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1"]
        command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(made.key), "-out", str(made.certificate)]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        return made

    def signature(self, text: bytes) -> bytes:
        """Sign as RS256 does."""
        command = ["openssl", "dgst", "-sha256", "-sign", str(self.key)]
        return subprocess.run(command, input=text, check=True, capture_output=True, timeout=60).stdout

    @property
    def der(self) -> str:
        """The certificate as a token's header wants it."""
        lines = self.certificate.read_text(encoding="ascii").splitlines()
        return "".join(line for line in lines if "-----" not in line)


def token(certificate: Certificate, user: str, access: list[dict[str, Any]]) -> str:
    """Write and sign a token."""
    now = int(time.time())
    header = {"typ": "JWT", "alg": "RS256", "x5c": [certificate.der]}
    claims: dict[str, Any] = {"iss": ISSUER, "sub": user, "aud": SERVICE, "access": access, "jti": uuid.uuid4().hex}
    claims |= {"iat": now, "nbf": now - 5, "exp": now + LIFETIME_SECONDS}
    told = b".".join(_packed(json.dumps(part).encode()) for part in (header, claims))
    return b".".join((told, _packed(certificate.signature(told)))).decode()


def granted(user: User, scopes: list[str]) -> list[dict[str, Any]]:
    """Give of what is asked for what the user may."""
    found = []
    for scope in scopes:
        kind, name, actions = scope.split(":")
        may = [action for action in actions.split(",") if action in user.grants.get(name, ())]
        found.append({"type": kind, "name": name, "actions": may})
    return found


@contextmanager
def issuer(certificate: Certificate, users: Mapping[str, User]) -> Iterator[str]:
    """Answer token requests; gives the realm."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            word = self.headers.get("Authorization", "").removeprefix("Basic ")
            name, _, password = base64.b64decode(word).decode().partition(":")
            user = users.get(name)
            if user is None or user.password != password:
                self._answer(401, {"errors": [{"code": "UNAUTHORIZED"}]})
                return
            asked = parse_qs(urlsplit(self.path).query).get("scope", [])
            self._answer(200, {"token": token(certificate, name, granted(user, asked))})

        def _answer(self, status: int, content: object) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's own name
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_address[1]}/token"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _packed(text: bytes) -> bytes:
    return base64.urlsafe_b64encode(text).rstrip(b"=")
