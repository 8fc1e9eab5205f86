"""What Azurite lacks, put in front of it: who may do what under which prefix, and the faults of a network.

::

    client ──TLS──► AuthorisingProxy ──TLS──► Azurite
                      │ token signed by the test's issuer? grant for this action and prefix?
                      └ faults: outage, slow, a status, a changed blob, a clock that is off

A request with a SAS passes to Azurite, which checks that itself. A refusal looks like Azure's.
"""

import contextlib
import email.utils
import http.client
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit

import jwt

from tests.azurite import ACCOUNT, Azurite
from tests.token_issuer import TokenIssuer

Action = Literal["read", "list", "write", "delete"]
_HOP = {"connection", "keep-alive", "transfer-encoding", "date", "content-length"}
_ANSWER_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Grant:
    """What a principal may do.

    Attributes:
        principal: Its name.
        actions: Of `Action`.
        container: Where.
        prefix: Of the blobs' names there.
    """

    principal: str
    actions: frozenset[Action]
    container: str
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it is judged.

    Attributes:
        action: What it wants.
        container: Where.
        name: The blob, or the prefix that is to be listed.
        principal: Who asks; "" for the bearer of a SAS.
    """

    action: Action
    container: str
    name: str
    principal: str = ""


@dataclass(slots=True)
class Faults:
    """What goes wrong; all is well as long as nothing is set.

    Attributes:
        outage: Connections are cut before an answer.
        status: Is answered instead of Azurite's; 0 for none.
        delay: Seconds before every answer.
        skew: Seconds by which the service's clock is ahead, as its answers say.
        tamper: Changes what a read gives.
        only: Which requests they strike.
        left: How many more of these; None for all.
    """

    outage: bool = False
    status: int = 0
    delay: float = 0.0
    skew: float = 0.0
    tamper: Callable[[bytes], bytes] | None = None
    only: Callable[[Request], bool] = lambda request: True
    left: int | None = None


@dataclass(slots=True)
class AuthorisingProxy:
    """A running proxy.

    Attributes:
        service: How it is reached, as an `Azurite`.
        grants: Who may do what; to be changed by tests.
        faults: What goes wrong; likewise.
        seen: Every request with the status of its answer.
    """

    behind: Azurite
    issuer: TokenIssuer
    service: Azurite
    grants: list[Grant] = field(default_factory=list)
    faults: Faults = field(default_factory=Faults)
    seen: list[tuple[Request, int]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def grant(self, principal: str, actions: str, container: str, prefix: str = "") -> None:
        """Let a principal do something; ``actions`` are words with spaces between them."""
        known: dict[str, Action] = {"read": "read", "list": "list", "write": "write", "delete": "delete"}
        granted = frozenset(known[word] for word in actions.split())
        self.grants.append(Grant(principal, granted, container, prefix))

    def allows(self, request: Request) -> bool:
        """Whether a principal has a grant for this."""
        return any(
            request.principal == grant.principal
            and request.action in grant.actions
            and request.container == grant.container
            and request.name.startswith(grant.prefix)
            for grant in self.grants
        )

    def struck(self, request: Request) -> Faults:
        """Give the faults that strike a request."""
        with self.lock:
            faults = self.faults
            if faults.left == 0 or not faults.only(request):
                return Faults()
            if faults.left is not None:
                faults.left -= 1
            return faults


@contextlib.contextmanager
def authorising_proxy(behind: Azurite, issuer: TokenIssuer) -> Iterator[AuthorisingProxy]:
    """Run a proxy on loopback, with the same certificate as what is behind it."""
    server = _Quiet(("127.0.0.1", 0), _Handler, bind_and_activate=False)
    server.request_queue_size, server.daemon_threads = 64, True
    server.server_bind()
    server.server_activate()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(behind.certificates.certificate, behind.certificates.key)
    # The handshake is the connection's thread's: a client that breaks it off must not stop the others.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    url = f"https://127.0.0.1:{server.server_address[1]}/{ACCOUNT}"
    proxy = AuthorisingProxy(behind, issuer, behind.at(url))
    server.RequestHandlerClass = type("Handler", (_Handler,), {"proxy": proxy})
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Say nothing of a client that has gone."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    proxy: AuthorisingProxy

    def setup(self) -> None:
        super().setup()
        self.upstream: http.client.HTTPSConnection | None = None

    def handle(self) -> None:
        with contextlib.suppress(OSError):  # a client that was killed, or that does not trust the certificate
            super().handle()

    def finish(self) -> None:
        if self.upstream is not None:
            self.upstream.close()
        with contextlib.suppress(OSError):
            super().finish()

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request, refusal = self._judge()
        faults = self.proxy.struck(request)
        if faults.delay:
            time.sleep(faults.delay)
        if faults.outage:
            self.close_connection = True
            return
        if faults.status:
            refusal = (faults.status, "InternalError" if faults.status >= 500 else "AuthorizationFailure")
        if refusal:
            self._answer(request, refusal[0], {"x-ms-error-code": refusal[1]}, b"", faults)
            return
        status, headers, content = self._ask(body)
        if faults.tamper and request.action == "read" and status < 300:
            content = faults.tamper(content)
        self._answer(request, status, headers, content, faults)

    do_GET = do_HEAD = do_PUT = do_DELETE = do_POST = _pass_on  # noqa: N815  # the names are the base's

    def _judge(self) -> tuple[Request, tuple[int, str] | None]:
        """Say what a request wants, and the status and code of the refusal if it may not."""
        address = urlsplit(self.path)
        query = parse_qs(address.query)
        container, _, name = unquote(address.path).removeprefix(f"/{ACCOUNT}/").partition("/")
        action: Action = {"PUT": "write", "POST": "write", "DELETE": "delete"}.get(self.command, "read")  # type: ignore[assignment]
        if query.get("restype") == ["container"] and action == "read":
            action, name = "list", query.get("prefix", [""])[0]
        request = Request(action, container, name)
        if "sig" in query:
            return request, None
        kind, _, token = self.headers.get("Authorization", "").partition(" ")
        try:
            request = Request(action, container, name, self.proxy.issuer.principal(token))
        except jwt.PyJWTError:
            return request, (401, "InvalidAuthenticationInfo")
        if kind != "Bearer" or not self.proxy.allows(request):
            return request, (403, "AuthorizationPermissionMismatch")
        return request, None

    def _ask(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("connection",)}
        if self.upstream is None:
            behind = self.proxy.behind
            context = ssl.create_default_context(cafile=behind.certificates.ca)
            host = urlsplit(behind.url).netloc
            self.upstream = http.client.HTTPSConnection(host, timeout=_ANSWER_SECONDS, context=context)
        try:
            answer = self._upstream_answer(body, headers)
        except (ConnectionError, http.client.BadStatusLine):  # it closes connections that rest for five seconds
            self.upstream.close()
            answer = self._upstream_answer(body, headers)
        content = answer.read()
        return answer.status, dict(answer.getheaders()), content

    def _upstream_answer(self, body: bytes, headers: dict[str, str]) -> http.client.HTTPResponse:
        assert self.upstream is not None
        self.upstream.request(self.command, self.path, body=body, headers=headers)
        return self.upstream.getresponse()

    def _answer(self, request: Request, status: int, headers: dict[str, str], content: bytes, faults: Faults) -> None:
        self.proxy.seen.append((request, status))
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in _HOP:
                self.send_header(name, value)
        self.send_header("Date", email.utils.formatdate(time.time() + faults.skew, usegmt=True))
        length = headers.get("content-length") if self.command == "HEAD" else None
        self.send_header("Content-Length", length or str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name is the base's
        """Say nothing."""
