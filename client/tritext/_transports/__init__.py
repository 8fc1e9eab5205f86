"""The two ways to reach a server, chosen by the scheme of its URL; each is imported only when it is used."""

from tritext._settings import Endpoint
from tritext._transports.base import AsyncTransport, Transport


def connect(endpoint: Endpoint) -> Transport:
    """Open the transport for threads that ``endpoint``'s scheme asks for; no packet is sent yet."""
    if endpoint.scheme.startswith("grpc"):
        from tritext._transports.grpc import GrpcTransport

        return GrpcTransport(endpoint)
    from tritext._transports.http import HttpTransport

    return HttpTransport(endpoint)


def connect_async(endpoint: Endpoint) -> AsyncTransport:
    """Open the transport for the running event loop that ``endpoint``'s scheme asks for; no packet is sent yet."""
    if endpoint.scheme.startswith("grpc"):
        from tritext._transports.grpc import AsyncGrpcTransport

        return AsyncGrpcTransport(endpoint)
    from tritext._transports.http import AsyncHttpTransport

    return AsyncHttpTransport(endpoint)
