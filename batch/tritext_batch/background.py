"""Requests that let all others pass: the client's own transports, with the parameter ``background`` on each request.

The front answers such a request when none without it waits (docs/serving.md), so a job takes what online traffic
leaves. The client sends no parameters of a caller's; this is the one module that knows how its transports send.
"""

import functools
import json
from pathlib import Path

from tritext._settings import Endpoint, endpoint
from tritext._transports.base import AsyncTransport
from tritext._transports.grpc import AsyncGrpcTransport
from tritext._transports.http import AsyncHttpTransport

PARAMETER = {"background": True}


class BackgroundGrpc(AsyncGrpcTransport):
    """The parameter goes beside the tensors."""

    def __init__(self, where: Endpoint) -> None:
        super().__init__(where)
        self._client.infer = functools.partial(self._client.infer, parameters=PARAMETER)


class BackgroundHttp(AsyncHttpTransport):
    """The parameter goes into the JSON document."""

    async def _send(self, method: str, url: str, timeout: float, where: str, body: bytes | None = None):  # type: ignore[no-untyped-def]  # the reply's type is the transport's own
        if body is not None:
            document = json.loads(body)
            document["parameters"] = document.get("parameters", {}) | PARAMETER
            body = json.dumps(document, ensure_ascii=False).encode()
        return await super()._send(method, url, timeout, where, body)


def connect_background(url: str, api_key: str | None, ca_file: Path | None) -> AsyncTransport:
    """Open a transport for the running event loop."""
    where = endpoint(url, api_key, ca_file)
    return BackgroundGrpc(where) if where.scheme.startswith("grpc") else BackgroundHttp(where)
