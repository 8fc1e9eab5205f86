"""TCP ports of this machine: which are free, and which stay so."""

import errno
import random
import socket
from pathlib import Path

from tritext_serve.errors import PortError
from tritext_serve.flags import Address

_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST, _HIGHEST = 10240, 65535
# Found here before, and perhaps not listened on yet.
_found: set[int] = set()


def check_ports(address: Address) -> None:
    """Try every port before Triton does, whose own message names none.

    Raises:
        PortError: naming the port, or the host, and the flag that changes it.
    """
    for flag, port in (("http", address.http), ("grpc", address.grpc), ("metrics", address.metrics)):
        check_port(address.host, port, f"--{flag}-port", "--host")


def check_port(host: str, port: int, port_flag: str, host_flag: str) -> None:
    """Try one port.

    Args:
        host: An address of this machine, or its name.
        port: A TCP port.
        port_flag: The flag that changes the port.
        host_flag: The flag that changes the host.

    Raises:
        PortError: it is taken, or the host is not this machine's.
    """
    try:
        family, kind, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
    except OSError as error:
        of_host = isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL
        remedy = f"give an address of this machine with {host_flag}" if of_host else f"choose another with {port_flag}"
        raise PortError(f"{host}:{port}: {error.strerror}: {remedy}") from error


def free_ports(count: int, host: str = "127.0.0.1") -> list[int]:
    """Ask the kernel for ports that nobody listens on."""
    probes = [socket.create_server((host, 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def steady_ports(count: int, host: str = "127.0.0.1") -> list[int]:
    """Find free ports for a server that may be started again on them.

    They lie beside those that the kernel gives to outgoing connections, so that none is lost while the server is away;
    among those only where it gives all of them. None is found twice while there are others.

    Raises:
        PortError: there are not so many.
    """
    ports: list[int] = []
    for port in _candidates():
        with socket.socket() as probe:
            try:
                probe.bind((host, port))
            except OSError:
                continue
        ports.append(port)
        if len(ports) == count:
            _found.update(ports)
            return ports
    raise PortError(f"{host}: fewer than {count} ports from {_LOWEST} are free: end what listens there")


def _candidates() -> list[int]:
    """List ports in the order in which they are tried."""
    first, last = map(int, _EPHEMERAL.read_text(encoding="ascii").split())
    every = range(_LOWEST, _HIGHEST + 1)
    beside = [port for port in every if not first <= port <= last]
    among = [port for port in every if first <= port <= last]
    for each in (beside, among):
        random.shuffle(each)
    return sorted([*beside, *among], key=_found.__contains__)  # which keeps the order of each part
