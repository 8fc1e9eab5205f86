"""Who gives principals their tokens in tests: the managed identity's endpoint as a container on Azure finds it.

``DefaultAzureCredential`` asks it over HTTP on loopback and gets a signed JWT. Azurite checks audience, issuer and
times; who may do what, and the signature, is for ``tests.authorising_proxy`` to check.
"""

import contextlib
import json
import threading
import time
import urllib.parse
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

AUDIENCE = "https://storage.azure.com"
TENANT = "00000000-0000-0000-0000-000000000001"
ISSUER = f"https://sts.windows.net/{TENANT}/"
LIFETIME = 3600


class TokenIssuer:
    """Signs tokens.

    Attributes:
        asked: How often each principal has come for a token.
        claims: What is put into every token instead of the usual; to be changed by tests.
    """

    def __init__(self) -> None:
        """Make a key of its own."""
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.asked: dict[str, int] = {}
        self.claims: dict[str, Any] = {}
        self.port = 0

    def mint(self, principal: str, **claims: Any) -> str:
        """Sign a token for a principal; ``claims`` replace the usual ones."""
        now = int(time.time())
        usual = {"aud": AUDIENCE, "iss": ISSUER, "sub": principal, "oid": principal, "tid": TENANT}
        times = {"iat": now, "nbf": now - 60, "exp": now + LIFETIME}
        return jwt.encode(usual | times | self.claims | claims, self._key, algorithm="RS256")

    def principal(self, token: str) -> str:
        """Say whose token this is.

        Raises:
            jwt.PyJWTError: it is nobody's, or not good now.
        """
        claims = jwt.decode(token, self._key.public_key(), algorithms=["RS256"], audience=AUDIENCE, issuer=ISSUER)
        return str(claims["sub"])

    def environment(self, principal: str) -> dict[str, str]:
        """Let ``DefaultAzureCredential`` find this principal's managed identity, and nothing else."""
        endpoint = f"http://127.0.0.1:{self.port}/msi/token"
        return {"IDENTITY_ENDPOINT": endpoint, "IDENTITY_HEADER": principal}


@contextlib.contextmanager
def token_issuer() -> Iterator[TokenIssuer]:
    """Run an issuer on loopback."""
    issuer = TokenIssuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            principal = self.headers.get("X-IDENTITY-HEADER", "")
            issuer.asked[principal] = issuer.asked.get(principal, 0) + 1
            query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
            expires = int(time.time()) + LIFETIME
            answer = {
                "access_token": issuer.mint(principal),
                "expires_on": str(expires),
                "resource": query.get("resource", [AUDIENCE])[0],
                "token_type": "Bearer",
            }
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name is the base's
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
