"""A directory of applications, as Microsoft Entra is one to a service principal and to a workload identity.

::

    POST /TENANT/oauth2/v2.0/token     over TLS, with the tests' own authority; a token of `TokenIssuer`, or AADSTS…

What it refuses it refuses in Entra's words: a secret that is wrong or has ended, a certificate that nobody has
registered, a federated token of another issuer, subject or audience, or of another time.
"""

import contextlib
import json
import ssl
import threading
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.certificates import Certificates
from tests.token_issuer import LIFETIME, TENANT, TokenIssuer

EXCHANGE = "api://AzureADTokenExchange"
CLUSTER = "https://cluster.example/"
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Refused(Exception):
    """A request gets no token: the number after AADSTS is the argument."""


@dataclass(slots=True)
class Application:
    """Who may sign in; its principal has the application's name.

    Attributes:
        secret: The client secret.
        ended: Whether that has ended.
        thumbprints: SHA-256 of the certificates that are registered, in base64url as a token's header has them.
        keys: Their public keys, in the same order.
        subject: Of the federated token that is expected; "" for none.
    """

    secret: str = ""
    ended: bool = False
    thumbprints: list[str] = field(default_factory=list)
    keys: list[Any] = field(default_factory=list)
    subject: str = ""

    def register(self, certificate: Path) -> None:
        """Let who has this certificate's key sign in."""
        read = x509.load_pem_x509_certificate(certificate.read_bytes())
        self.thumbprints.append(jwt.utils.base64url_encode(read.fingerprint(hashes.SHA256())).decode())
        self.keys.append(read.public_key())


class Directory:
    """Checks who signs in.

    Attributes:
        applications: By client id; to be changed by tests.
        port: Where it listens.
        signed_in: Client ids, in the order of their tokens.
    """

    def __init__(self, issuer: TokenIssuer, certificates: Certificates) -> None:
        """Make the key of a cluster that the directory trusts, and of one that it does not."""
        self.issuer, self.certificates = issuer, certificates
        self.applications: dict[str, Application] = {}
        self.signed_in: list[str] = []
        self.port = 0
        self._cluster, self._stranger = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in "ab")

    def environment(self, client: str) -> dict[str, str]:
        """Say where the directory is and who this process is; how it proves that comes on top."""
        authority = f"https://127.0.0.1:{self.port}"
        return {"AZURE_AUTHORITY_HOST": authority, "AZURE_TENANT_ID": TENANT, "AZURE_CLIENT_ID": client}

    def federated(self, subject: str, *, stranger: bool = False, **claims: Any) -> str:
        """Sign the token that a cluster gives a pod; ``claims`` replace the usual ones."""
        now = int(time.time())
        usual = {"iss": CLUSTER, "sub": subject, "aud": EXCHANGE, "iat": now, "nbf": now - 5, "exp": now + LIFETIME}
        return jwt.encode(usual | claims, self._stranger if stranger else self._cluster, algorithm="RS256")

    def token(self, tenant: str, form: dict[str, str]) -> str:
        """Give a token.

        Raises:
            Refused: the request does not prove who it is.
        """
        if tenant != TENANT:
            raise Refused("90002")
        client = form.get("client_id", "")
        if (application := self.applications.get(client)) is None:
            raise Refused("700016")
        if "client_secret" in form:
            _check_secret(application, form["client_secret"])
        elif form.get("client_assertion_type") == _ASSERTION:
            self._check_assertion(application, client, tenant, form.get("client_assertion", ""))
        else:
            raise Refused("7000216")
        self.signed_in.append(client)
        return self.issuer.mint(client)

    def _check_assertion(self, application: Application, client: str, tenant: str, assertion: str) -> None:
        header = jwt.get_unverified_header(assertion)
        if "x5t#S256" in header:
            audience = f"https://127.0.0.1:{self.port}/{tenant}/oauth2/v2.0/token"
            claims = _verified(assertion, _key(application, header["x5t#S256"].rstrip("=")), "700027", audience)
            if claims["sub"] != client:
                raise Refused("700027")
            return
        claims = _verified(assertion, self._cluster.public_key(), "50013", None)
        for claim, wanted, code in (("iss", CLUSTER, "700211"), ("aud", EXCHANGE, "700212"),
                                    ("sub", application.subject, "700213")):  # fmt: skip
            if claims[claim] != wanted:
                raise Refused(code)


@contextlib.contextmanager
def directory(issuer: TokenIssuer, certificates: Certificates) -> Iterator[Directory]:
    """Run a directory on loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.certificate, certificates.key)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    running = Directory(issuer, certificates)
    running.port = server.server_address[1]
    server.RequestHandlerClass = type("Handler", (_Handler,), {"directory": running})
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield running
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    directory: Directory

    def handle(self) -> None:
        with contextlib.suppress(OSError):  # a client that does not trust the certificate
            super().handle()

    def do_POST(self) -> None:
        tenant = self.path.strip("/").partition("/")[0]
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        try:
            token = self.directory.token(tenant, dict(urllib.parse.parse_qsl(body)))
            self._answer(200, {"token_type": "Bearer", "expires_in": LIFETIME, "access_token": token})
        except Refused as refusal:
            code = str(refusal)
            words = f"AADSTS{code}: no token. Trace ID: 0 Timestamp: now"
            self._answer(401, {"error": "invalid_client", "error_description": words, "error_codes": [int(code)]})

    def _answer(self, status: int, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name is the base's
        """Say nothing."""


def _check_secret(application: Application, secret: str) -> None:
    if not application.secret or secret != application.secret:
        raise Refused("7000215")
    if application.ended:
        raise Refused("7000222")


def _key(application: Application, thumbprint: str) -> Any:
    if thumbprint not in application.thumbprints:
        raise Refused("700027")
    return application.keys[application.thumbprints.index(thumbprint)]


def _verified(assertion: str, key: Any, code: str, audience: str | None) -> dict[str, Any]:
    """Read an assertion; whoever it is for is looked at later where no audience is given."""
    options: Any = {"verify_aud": audience is not None}
    try:
        return dict(jwt.decode(assertion, key, algorithms=["RS256", "PS256"], audience=audience, options=options))
    except (jwt.ExpiredSignatureError, jwt.ImmatureSignatureError) as error:
        raise Refused("700024") from error
    except jwt.PyJWTError as error:
        raise Refused(code) from error
