"""Where `up` lets clients connect: what its arguments say, tried before anything is started."""

import argparse
import ipaddress
import ssl
from collections.abc import Iterable
from pathlib import Path

from tritext_serve.endpoint.edge.model import Listener, Tls
from tritext_serve.endpoint.model import Endpoint
from tritext_serve.errors import EndpointError
from tritext_serve.ports import check_port


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--listen", type=_address, default=("127.0.0.1", 8080), metavar="ADDRESS:PORT",
        help="the private address (default: 127.0.0.1:8080)",
    )  # fmt: skip
    parser.add_argument(
        "--public", type=_address, metavar="ADDRESS:PORT",
        help="one more address, which exists only with `public_network_access: enabled`",
    )  # fmt: skip
    parser.add_argument("--tls-cert", type=Path, metavar="PEM", help="certificate chain: both addresses speak TLS then")
    parser.add_argument("--tls-key", type=Path, metavar="PEM", help="its private key")


def listeners(args: argparse.Namespace, endpoint: Endpoint) -> tuple[Listener, ...]:
    """Choose where clients connect.

    Raises:
        EndpointError: half a certificate or none that can be used, or a public address although the endpoint's file
            allows none.
    """
    if bool(args.tls_cert) != bool(args.tls_key):
        raise EndpointError("TLS needs both --tls-cert and --tls-key")
    tls = Tls(args.tls_cert.absolute(), args.tls_key.absolute()) if args.tls_cert else None
    if tls is not None:
        _check_tls(tls)
    if args.public and endpoint.public_network_access == "disabled":
        raise EndpointError(
            f"--public {args.public[0]}:{args.public[1]}: the endpoint's file says `public_network_access: disabled`"
        )
    return tuple(Listener(host, port, tls) for host, port in filter(None, (args.listen, args.public)))


def check(chosen: Iterable[Listener]) -> None:
    """Try the addresses before Envoy does, which is started last and tells of a port that is taken in its own way.

    Raises:
        PortError: one is taken, or not this machine's.
    """
    for each, flag in zip(chosen, ("--listen", "--public"), strict=False):
        check_port(each.host, each.port, flag, flag)


def _check_tls(tls: Tls) -> None:
    for path in (tls.certificate, tls.key):
        if not path.is_file():
            raise EndpointError(f"{path}: no such file: give a PEM file")
    try:  # a key that wants a password gets none, and nobody is asked for it
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tls.certificate, tls.key, password=lambda: "")
    except OSError as error:
        why = (error.reason if isinstance(error, ssl.SSLError) else error.strerror) or "they cannot be read"
        raise EndpointError(
            f"{tls.certificate}, {tls.key}: {why}: give a certificate chain and its own key, both PEM and in the clear"
        ) from error


def _address(text: str) -> tuple[str, int]:
    """Read ``ADDRESS:PORT``."""
    host, _, port = text.rpartition(":")
    try:
        address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        address = None
    if address is None or not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not an address and a port, such as 127.0.0.1:8080 or [::1]:8080")
    return str(address), int(port)
