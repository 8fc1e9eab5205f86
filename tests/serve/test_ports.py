"""Ports that a server may be started again on: free, beside the kernel's own, and no two alike."""

import socket
from pathlib import Path

import pytest

from tritext_serve import ports
from tritext_serve.errors import PortError


@pytest.fixture
def few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A machine with six ports, of which the kernel gives the last three to outgoing connections."""
    first = next(n for n in range(20000, 60000, 6) if all(is_free(port) for port in range(n, n + 6)))
    (tmp_path / "range").write_text(f"{first + 3}\t{first + 5}\n", encoding="ascii")
    monkeypatch.setattr(ports, "_EPHEMERAL", tmp_path / "range")
    monkeypatch.setattr(ports, "_LOWEST", first)
    monkeypatch.setattr(ports, "_HIGHEST", first + 5)
    monkeypatch.setattr(ports, "_found", set())
    return list(range(first, first + 6))


def is_free(port: int) -> bool:
    """Whether it can be had: nobody listens, nor is a connection to one who did still remembered."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def test_those_beside_the_kernels_own_come_first_then_its_own_and_no_two_are_alike(few: list[int]) -> None:
    assert set(ports.steady_ports(3)) == set(few[:3])
    assert set(ports.steady_ports(3)) == set(few[3:])
    assert set(ports.steady_ports(6)) == set(few)  # those of servers that have gone


def test_what_somebody_listens_on_is_passed_over(few: list[int]) -> None:
    with socket.create_server(("127.0.0.1", few[1])):
        assert set(ports.steady_ports(2)) == {few[0], few[2]}


def test_too_few_are_refused_with_the_remedy(few: list[int]) -> None:
    with pytest.raises(PortError, match=r"fewer than 7 ports .* are free: end what listens there"):
        ports.steady_ports(len(few) + 1)


def test_a_port_that_is_taken_and_a_host_that_is_not_ours_are_told_with_their_flags() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            PortError, match=rf"^127\.0\.0\.1:{port}: Address already in use: choose another with --port$"
        ):
            ports.check_port("127.0.0.1", port, "--port", "--host")
    ports.check_port("127.0.0.1", port, "--port", "--host")
    with pytest.raises(PortError, match=r"^192\.0\.2\.1:80: .*: give an address of this machine with --host$"):
        ports.check_port("192.0.2.1", 80, "--port", "--host")
